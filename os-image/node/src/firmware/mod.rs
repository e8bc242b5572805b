//! What starts a slot before there is a kernel: UEFI with systemd-boot, or the Pi's own.
//!
//! Both know a slot that is started always, and can be asked to start the other one once. Which one is started always is
//! one letter or digit of a file that lies in one sector, and is overwritten in place: a power cut leaves the old or the
//! new sector.

mod partition;
mod pi;
mod sector;
mod starting;
mod uefi;

use crate::machine::Machine;

pub use partition::with_partition;
use pi::Pi;
pub use starting::{Firmware, FirmwareError, restart};
use uefi::Uefi;

/// The firmware of this machine.
pub fn of(machine: &Machine) -> Box<dyn Firmware> {
    if machine.path("/sys/firmware/efi").exists() {
        Box::new(Uefi::new(machine.clone()))
    } else {
        Box::new(Pi::new(machine.clone()))
    }
}
