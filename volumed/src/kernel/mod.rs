//! Volumes as block devices of this machine's kernel: `volumed volume attach` and `detach`.
//!
//! A process of its own opens a volume's export on a socket and hands this to the kernel, which speaks
//! NBD on it from then on. The process stays, to give the kernel another one when the daemon was restarted
//! and to pass on that the volume grew. Everything that it needs to know of a device is in the kernel
//! (`/sys/block/nbdN/backend`), so it can be killed, and started again, at any time.

mod attach;
pub mod background;
mod detach;
mod device;
mod error;
mod grow;
mod links;
mod mounts;
mod name;
mod netlink;
mod watch;

pub use attach::{Wanted, attach, serve};
pub use detach::detach;
pub use error::KernelError;
pub use name::KernelDevice;
