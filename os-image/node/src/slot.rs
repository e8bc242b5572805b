//! The two root file systems of a node: one runs, the other takes the next update.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::{Machine, read_line};
use crate::system_disk::system_disk;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// What the image was made with.
    A,
    /// The other.
    B,
}

impl Slot {
    /// The one that this is not.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The one that runs, as the boot loader told the kernel; none on a machine that was not started from an image.
    pub fn running(machine: &Machine) -> Option<Self> {
        let line = read_line(&machine.path("/proc/cmdline"))?;
        let mut words = line.split(' ');
        words.find_map(|word| match word.strip_prefix("hayrack.slot=")? {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// The device file of the partition of the system's disk that has this name.
pub fn partition(machine: &Machine, name: &str) -> Option<PathBuf> {
    let disk = system_disk(machine)?;
    let entries = fs::read_dir(machine.path("/sys/block").join(disk)).ok()?;
    let is_named = |folder: &Path| {
        let events = fs::read_to_string(folder.join("uevent")).unwrap_or_default();
        events
            .lines()
            .any(|line| line == format!("PARTNAME={name}"))
    };
    let found = entries.flatten().find(|entry| is_named(&entry.path()))?;
    Some(machine.path("/dev").join(found.file_name()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use nix::sys::stat::{major, minor};

    use super::*;

    #[test]
    fn the_kernels_command_line_says_which_slot_runs() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        fs::create_dir(folder.path().join("proc")).unwrap();
        for (line, slot) in [
            ("root=x hayrack.slot=b ro\n", Some(Slot::B)),
            ("hayrack.slot=a\n", Some(Slot::A)),
            ("hayrack.slot=c xhayrack.slot=a\n", None),
        ] {
            fs::write(folder.path().join("proc/cmdline"), line).unwrap();
            assert_eq!(Slot::running(&machine), slot, "{line}");
        }
        assert_eq!(Slot::A.other().other(), Slot::A);
    }

    #[test]
    fn a_partition_is_found_on_the_systems_disk_alone() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        fs::create_dir_all(machine.state()).unwrap();
        for partition in ["sda/sda2", "sdb/sdb2"] {
            let path = machine.path("/sys/block").join(partition);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("partition"), "2\n").unwrap();
            fs::write(path.join("uevent"), "DEVNAME=x\nPARTNAME=hayrack-root-b\n").unwrap();
        }
        let device = fs::metadata(machine.state()).unwrap().dev();
        let number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
        let link = machine.path(&number);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(machine.path("/sys/block/sdb/sdb2"), link).unwrap();
        let found = partition(&machine, "hayrack-root-b");
        assert_eq!(found, Some(machine.path("/dev/sdb2")));
        assert_eq!(partition(&machine, "hayrack-root"), None);
    }
}
