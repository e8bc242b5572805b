//! Writes an image to a card or disk of this machine.

mod copy;
mod device;
mod image;

pub use copy::{CopyError, Pass, copy};
pub use device::{Device, DeviceError};
pub use image::{ImageError, boot_of};
