//! The Raspberry Pi's firmware. The partition `hayrack-boot` has only `autoboot.txt`, which names the partition that is
//! started always and the one that is tried; `hayrack-boot-a` and `-b` have what starts each slot.
//!
//! What is started once is an argument of the restart, which the firmware forgets.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::program::run;
use crate::slot::Slot;

use super::partition::with_partition;
use super::sector;
use super::starting::{Firmware, FirmwareError, command_line};

const PARTITION: &str = "hayrack-boot";
const AUTOBOOT: &str = "autoboot.txt";

/// A Raspberry Pi.
#[derive(Debug)]
pub struct Pi {
    machine: Machine,
}

impl Pi {
    /// This one.
    pub fn new(machine: Machine) -> Self {
        Self { machine }
    }
}

impl Firmware for Pi {
    fn default(&self) -> Result<Slot, FirmwareError> {
        with_partition(&self.machine, PARTITION, "ro", read_default)
    }

    fn set_default(&self, slot: Slot) -> Result<(), FirmwareError> {
        with_partition(&self.machine, PARTITION, "rw", |boot| {
            sector::overwrite(&boot.join(AUTOBOOT), &autoboot(slot))
        })
    }

    fn install(&self, slot: Slot, root: &Path) -> Result<(), FirmwareError> {
        with_partition(
            &self.machine,
            &format!("{PARTITION}-{slot}"),
            "rw",
            |boot| install(boot, slot, root),
        )
    }

    fn try_once(&self, _slot: Slot) -> Result<(), FirmwareError> {
        run("systemctl", ["reboot", "--reboot-argument=0 tryboot"])?;
        Ok(())
    }
}

/// The number of a slot's boot partition, as the firmware counts.
fn number(slot: Slot) -> u8 {
    match slot {
        Slot::A => 2,
        Slot::B => 3,
    }
}

/// The file that starts a slot always and the other one when it is tried.
fn autoboot(slot: Slot) -> String {
    format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        number(slot),
        number(slot.other())
    )
}

fn read_default(boot: &Path) -> Result<Slot, FirmwareError> {
    let path = boot.join(AUTOBOOT);
    let text = sector::read(&path)?;
    let slot = [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| text == autoboot(*slot));
    slot.ok_or(FirmwareError::Unclear(path))
}

/// All of the new root's /boot/firmware, in the place of what the partition had.
fn install(boot: &Path, slot: Slot, root: &Path) -> Result<(), FirmwareError> {
    let from = root.join("boot/firmware/.");
    let clear = [
        boot.as_os_str(),
        OsStr::new("-mindepth"),
        OsStr::new("1"),
        OsStr::new("-delete"),
    ];
    run("find", clear)?;
    run(
        "cp",
        [OsStr::new("-rT"), from.as_os_str(), boot.as_os_str()],
    )?;
    let path = boot.join("cmdline.txt");
    let line = format!("{}\n", command_line(root, slot)?);
    fs::write(&path, line).map_err(|source| FirmwareError::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_two_digits_of_autoboot() {
        let boot = tempfile::tempdir().unwrap();
        fs::write(boot.path().join(AUTOBOOT), autoboot(Slot::A)).unwrap();
        assert_eq!(read_default(boot.path()).unwrap(), Slot::A);
        sector::overwrite(&boot.path().join(AUTOBOOT), &autoboot(Slot::B)).unwrap();
        assert_eq!(read_default(boot.path()).unwrap(), Slot::B);
        fs::write(boot.path().join(AUTOBOOT), "[all]\n").unwrap();
        assert!(read_default(boot.path()).is_err());
    }

    #[test]
    fn a_slot_gets_its_roots_firmware_and_nothing_else() {
        let (boot, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(boot.path().join("old.dtb"), "old").unwrap();
        let firmware = root.path().join("boot/firmware/overlays");
        fs::create_dir_all(&firmware).unwrap();
        fs::write(firmware.join("new.dtbo"), "new").unwrap();
        fs::create_dir_all(root.path().join("usr/lib/hayrack")).unwrap();
        fs::write(root.path().join("usr/lib/hayrack/cmdline"), "slot=@slot@\n").unwrap();
        install(boot.path(), Slot::B, root.path()).unwrap();
        assert!(!boot.path().join("old.dtb").exists());
        assert!(boot.path().join("overlays/new.dtbo").exists());
        let line = fs::read_to_string(boot.path().join("cmdline.txt")).unwrap();
        assert_eq!(line, "slot=b\n");
    }
}
