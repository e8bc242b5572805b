//! What others use of volumed: the [`BlockDevice`] trait, its implementation over NBD, and the
//! admin API's types and client.

pub mod admin;
mod block_device;
pub mod extents;
mod nbd_device;
mod reconnecting;

pub use block_device::{BlockDevice, DeviceError, Durability, Session};
pub use extents::ExtentFiles;
pub use nbd_device::{ConnectError, NbdDevice, open_export};
pub use reconnecting::{Connect, ConnectFailure, Reconnected, ReconnectingDevice};
