//! Why the kernel does not have a volume.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use volumed_client::ConnectError;
use volumed_client::admin::AdminError;
use volumed_netlink::Malformed;

use super::name::{InvalidDevice, KernelDevice};

/// Why an attach or detach through the kernel was not done.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Nobody has registered the family.
    #[error("this kernel has no NBD client: load its module with `modprobe nbd`")]
    NoModule,
    /// The kernel lets nobody but root do this.
    #[error("only root may do this to the kernel's devices: run it with sudo")]
    NotRoot,
    /// The kernel refused something else.
    #[error("the kernel refused to {what} {device}: {errno}")]
    Refused {
        what: &'static str,
        device: KernelDevice,
        errno: Errno,
    },
    /// The kernel forgets what a device serves.
    #[error("this kernel is too old: attaching a volume needs Linux 5.14")]
    TooOld,
    /// The device serves something.
    #[error("{0} is in use already: free it with `nbd-client -d {0}`, or name another device")]
    Busy(KernelDevice),
    /// The device serves another volume.
    #[error(
        "{device} has the volume {volume}: free it with `volumed volume detach {device}`, or name another device"
    )]
    HasOther {
        device: KernelDevice,
        volume: String,
    },
    /// The device cannot be given up.
    #[error(
        "{0} is being used: unmount it first, and end whatever else holds it (`lsblk {0}` tells)"
    )]
    Held(KernelDevice),
    /// The device serves nothing any more, and something has not noticed.
    #[error(
        "{0} was disconnected while it was being used: unmount it, end whatever else holds it (`lsblk {0}` tells), then attach again"
    )]
    Freed(KernelDevice),
    /// The daemon was away for too long.
    #[error("volumed did not come back within {0} s, which is what --wait allows")]
    StayedAway(u64),
    /// What the kernel wrote and did not flush may be gone (V9).
    #[error(
        "something that was written to {0} and not flushed may be lost, since a disk failed or was mounted anew: check the file system on it, and attach again"
    )]
    Lost(String),
    /// Somebody else has the volume.
    #[error(
        "the volume {volume} is attached by {owner:?}: detach it there, or add --take-over, which ends that attachment"
    )]
    Owned { volume: String, owner: String },
    /// The device or volume is not attached.
    #[error("{0} is not attached to this machine's kernel")]
    NotAttached(String),
    /// Neither a device nor a volume.
    #[error(transparent)]
    InvalidDevice(#[from] InvalidDevice),
    /// The export cannot be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The daemon refused or cannot be reached.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The kernel cannot be talked to.
    #[error("cannot talk to the kernel through netlink: {0}")]
    Netlink(#[source] io::Error),
    /// The kernel's answer cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A file of the system cannot be read or written.
    #[error("{}: {source}", .path.display())]
    System { path: PathBuf, source: io::Error },
    /// The process cannot go on in the background.
    #[error("cannot go on in the background: {0}")]
    Background(#[source] io::Error),
}
