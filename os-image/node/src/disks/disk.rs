//! Which disks there are.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{Machine, read_line};
use crate::system_disk::system_disk;

/// What is never a disk of the pool, by the beginning of its name.
const NO_DISKS: [&str; 9] = [
    "loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd", "mtdblock",
];

/// What names a disk at every start: its world-wide name or serial number, or where it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskId(pub String);

/// A disk of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What the kernel calls it this time, like `sda`.
    pub name: String,
    /// What it is called at every start.
    pub id: DiskId,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it is a stick or a card that is taken out at will.
    pub removable: bool,
    /// Whether this system was started from it.
    pub system: bool,
}

impl Disk {
    /// Its device file.
    pub fn device(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Whether this is what somebody means who wrote `name`.
    pub fn is_called(&self, name: &str) -> bool {
        let name = name.trim_start_matches("/dev/");
        self.name == name || self.id.0 == name
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = self.bytes / 1_000_000_000;
        write!(out, "{} ({gigabytes} GB, id {:?})", self.name, self.id.0)
    }
}

/// Every disk that has a medium, in the order of their ids.
pub fn list(machine: &Machine) -> Vec<Disk> {
    let system = system_disk(machine);
    let entries = fs::read_dir(machine.path("/sys/block"));
    let entries = entries.into_iter().flatten().flatten();
    let mut disks: Vec<Disk> = entries
        .filter_map(|entry| disk(machine, &entry.file_name().to_string_lossy()))
        .map(|disk| Disk {
            system: system.as_deref() == Some(disk.name.as_str()),
            ..disk
        })
        .collect();
    disks.sort_by(|a, b| (&a.id, &a.name).cmp(&(&b.id, &b.name)));
    disks
}

fn disk(machine: &Machine, name: &str) -> Option<Disk> {
    // An SD card's own boot areas.
    let is_area = name.starts_with("mmcblk") && name.contains("boot");
    if is_area || NO_DISKS.iter().any(|no| name.starts_with(no)) {
        return None;
    }
    let folder = machine.path("/sys/block").join(name);
    let sectors: u64 = read_line(&folder.join("size"))?.parse().ok()?;
    let removable = read_line(&folder.join("removable")).as_deref() == Some("1");
    (sectors > 0).then(|| Disk {
        name: name.to_owned(),
        id: id(&folder, name),
        bytes: sectors * 512,
        removable,
        system: false,
    })
}

fn id(folder: &Path, name: &str) -> DiskId {
    let files = ["wwid", "device/wwid", "serial", "device/serial"];
    let written = files
        .iter()
        .filter_map(|file| read_line(&folder.join(file)))
        .find(|id| !id.is_empty());
    let words = |id: String| id.split_whitespace().collect::<Vec<_>>().join("_");
    let place = || {
        let place = fs::canonicalize(folder).ok()?;
        let place = place.to_string_lossy().into_owned();
        let inside = place.split("/devices/").nth(1)?;
        Some(inside.to_owned())
    };
    DiskId(
        written
            .map(words)
            .or_else(place)
            .unwrap_or_else(|| name.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use nix::sys::stat::{major, minor};

    use super::*;

    /// A machine with a disk for each name, and these files in the disk's folder.
    fn machine(folder: &Path, disks: &[(&str, &[(&str, &str)])]) -> Machine {
        for (name, files) in disks {
            let path = folder.join("sys/block").join(name);
            for (file, text) in files.iter().chain(&[("removable", "0\n")]) {
                let file = path.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                if !file.exists() {
                    fs::write(file, text).unwrap();
                }
            }
        }
        Machine::at(folder)
    }

    #[test]
    fn disks_are_found_by_what_names_them_at_every_start() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(
            folder.path(),
            &[
                (
                    "sdb",
                    &[
                        ("size", "2000\n"),
                        ("device/wwid", "t10.ATA  SSD   1 \n"),
                        ("removable", "1\n"),
                    ],
                ),
                ("nvme0n1", &[("size", "4000\n"), ("wwid", "eui.1\n")]),
                ("vda", &[("size", "8\n"), ("serial", "\n")]),
                ("sdc", &[("size", "0\n")]),
                ("loop0", &[("size", "8\n")]),
                ("mmcblk0boot0", &[("size", "8\n")]),
            ],
        );
        let disks = list(&machine);
        let seen: Vec<_> = disks
            .iter()
            .map(|disk| {
                (
                    disk.name.as_str(),
                    disk.id.0.as_str(),
                    disk.bytes,
                    disk.removable,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("nvme0n1", "eui.1", 2_048_000, false),
                ("sdb", "t10.ATA_SSD_1", 1_024_000, true),
                ("vda", "vda", 4096, false),
            ]
        );
        assert!(disks[1].is_called("/dev/sdb") && disks[1].is_called("t10.ATA_SSD_1"));
        assert!(!disks[1].is_called("sd"));
        assert!(list(&Machine::at("/no/such/folder")).is_empty());
    }

    #[test]
    fn the_disk_of_the_state_partition_is_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path(), &[("sda", &[("size", "8\n")])]);
        fs::create_dir_all(machine.state()).unwrap();
        let device = fs::metadata(machine.state()).unwrap().dev();
        let partition = folder.path().join("sys/block/sda/sda3");
        fs::create_dir_all(&partition).unwrap();
        fs::write(partition.join("partition"), "3\n").unwrap();
        let numbers = folder.path().join("sys/dev/block");
        fs::create_dir_all(&numbers).unwrap();
        assert!(!list(&machine)[0].system);
        let number = format!("{}:{}", major(device), minor(device));
        std::os::unix::fs::symlink(&partition, numbers.join(number)).unwrap();
        assert!(list(&machine)[0].system);
    }
}
