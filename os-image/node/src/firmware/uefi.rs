//! UEFI with systemd-boot. On the partition `hayrack-boot`:
//!
//! | file | what |
//! |---|---|
//! | `loader/loader.conf` | `default hayrack-a.conf`: what is started always |
//! | `loader/entries/hayrack-a.conf`, `-b.conf` | kernel, initrd and command line of each slot |
//! | `hayrack/a/`, `hayrack/b/` | kernel and initrd of each slot |
//!
//! What is started once is in a variable of the firmware, which the boot loader clears before it starts it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::machine::Machine;
use crate::program::run;
use crate::slot::Slot;

use super::partition::with_partition;
use super::sector;
use super::starting::{Firmware, FirmwareError, command_line, restart};

const PARTITION: &str = "hayrack-boot";
const LOADER: &str = "loader/loader.conf";
/// The variable, and who gave it its meaning: systemd's Boot Loader Interface.
const ONCE: &str =
    "/sys/firmware/efi/efivars/LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Kept without power, used by boot loader and system.
const ATTRIBUTES: u32 = 0b111;

/// A machine with UEFI.
#[derive(Debug)]
pub struct Uefi {
    machine: Machine,
}

impl Uefi {
    /// This one.
    pub fn new(machine: Machine) -> Self {
        Self { machine }
    }
}

impl Firmware for Uefi {
    fn default(&self) -> Result<Slot, FirmwareError> {
        with_partition(&self.machine, PARTITION, "ro", read_default)
    }

    fn set_default(&self, slot: Slot) -> Result<(), FirmwareError> {
        with_partition(&self.machine, PARTITION, "rw", |boot| {
            write_default(boot, slot)
        })
    }

    fn install(&self, slot: Slot, root: &Path) -> Result<(), FirmwareError> {
        with_partition(&self.machine, PARTITION, "rw", |boot| {
            install(boot, slot, root)
        })
    }

    fn try_once(&self, slot: Slot) -> Result<(), FirmwareError> {
        let path = self.machine.path(ONCE);
        if path.exists() {
            // The kernel protects variables that it does not know.
            run("chattr", ["-i".as_ref(), path.as_os_str()])?;
        }
        fs::write(&path, once(slot)).map_err(|source| FirmwareError::File { path, source })?;
        restart()
    }
}

fn entry(slot: Slot) -> String {
    format!("hayrack-{slot}.conf")
}

/// The variable's bytes: its attributes, little-endian, and the entry's name in UTF-16 with a zero at its end.
fn once(slot: Slot) -> Vec<u8> {
    let name = entry(slot);
    let units = name.encode_utf16().chain([0]);
    let attributes = ATTRIBUTES.to_le_bytes().into_iter();
    attributes.chain(units.flat_map(u16::to_le_bytes)).collect()
}

fn read_default(boot: &Path) -> Result<Slot, FirmwareError> {
    let path = boot.join(LOADER);
    let text = sector::read(&path)?;
    let named = text.lines().find_map(|line| line.strip_prefix("default "));
    let slot = [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| named == Some(entry(*slot).as_str()));
    slot.ok_or(FirmwareError::Unclear(path))
}

fn write_default(boot: &Path, slot: Slot) -> Result<(), FirmwareError> {
    let old = read_default(boot)?;
    let path = boot.join(LOADER);
    let text = sector::read(&path)?.replace(&entry(old), &entry(slot));
    sector::overwrite(&path, &text)
}

fn install(boot: &Path, slot: Slot, root: &Path) -> Result<(), FirmwareError> {
    let folder = boot.join("hayrack").join(slot.to_string());
    make_folder(&folder)?;
    for file in ["vmlinuz", "initrd"] {
        copy(&root.join("boot").join(file), &folder.join(file))?;
    }
    let options = command_line(root, slot)?;
    let text = format!(
        "title Hayrack ({slot})\nlinux /hayrack/{slot}/vmlinuz\ninitrd /hayrack/{slot}/initrd\noptions {options}\n"
    );
    let path = boot.join("loader/entries").join(entry(slot));
    let written = fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all());
    written.map_err(|source| FirmwareError::File { path, source })
}

fn make_folder(path: &Path) -> Result<(), FirmwareError> {
    fs::create_dir_all(path).map_err(|source| FirmwareError::File {
        path: path.to_owned(),
        source,
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), FirmwareError> {
    let copied = || -> io::Result<()> {
        let mut file = File::create(to)?;
        io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()
    };
    copied().map_err(|source| FirmwareError::File {
        path: to.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot() -> tempfile::TempDir {
        let boot = tempfile::tempdir().unwrap();
        fs::create_dir_all(boot.path().join("loader/entries")).unwrap();
        let conf = "timeout 0\neditor no\ndefault hayrack-a.conf\n";
        fs::write(boot.path().join(LOADER), conf).unwrap();
        boot
    }

    #[test]
    fn the_default_is_one_letter_of_the_loaders_settings() {
        let boot = boot();
        assert_eq!(read_default(boot.path()).unwrap(), Slot::A);
        write_default(boot.path(), Slot::B).unwrap();
        assert_eq!(read_default(boot.path()).unwrap(), Slot::B);
        let text = fs::read_to_string(boot.path().join(LOADER)).unwrap();
        assert_eq!(text, "timeout 0\neditor no\ndefault hayrack-b.conf\n");
        fs::write(boot.path().join(LOADER), "default windows\n").unwrap();
        assert!(read_default(boot.path()).is_err());
    }

    #[test]
    fn a_slot_is_installed_beside_the_other() {
        let (boot, root) = (boot(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("boot")).unwrap();
        fs::create_dir_all(root.path().join("usr/lib/hayrack")).unwrap();
        fs::write(root.path().join("boot/vmlinuz"), "kernel").unwrap();
        fs::write(root.path().join("boot/initrd"), "initrd").unwrap();
        let line = "# why\nroot=PARTLABEL=hayrack-root-@slot@\nhayrack.slot=@slot@\n";
        fs::write(root.path().join("usr/lib/hayrack/cmdline"), line).unwrap();
        install(boot.path(), Slot::B, root.path()).unwrap();
        let read = |path: &str| fs::read_to_string(boot.path().join(path)).unwrap();
        assert_eq!(read("hayrack/b/vmlinuz"), "kernel");
        let entry = read("loader/entries/hayrack-b.conf");
        let options = "options root=PARTLABEL=hayrack-root-b hayrack.slot=b\n";
        assert!(entry.ends_with(options), "{entry}");
        assert_eq!(read_default(boot.path()).unwrap(), Slot::A);
        assert!(!boot.path().join("hayrack/a").exists());
    }

    #[test]
    fn the_variable_is_as_the_boot_loader_reads_it() {
        let bytes = once(Slot::B);
        assert_eq!(bytes[..8], [7, 0, 0, 0, b'h', 0, b'a', 0]);
        assert_eq!(bytes[bytes.len() - 4..], [b'f', 0, 0, 0]);
        assert_eq!(bytes.len(), 4 + 2 * "hayrack-b.conf\0".len());
    }
}
