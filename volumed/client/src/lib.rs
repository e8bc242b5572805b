//! What others use of volumed: the [`BlockDevice`] trait, its implementation over NBD, and the
//! admin API's types and client.

pub mod admin;
mod block_device;

pub use block_device::{BlockDevice, DeviceError, Durability};
