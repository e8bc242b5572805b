//! The disk that is to be written, and whether it may be.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// A disk of this machine that nothing uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its device file.
    pub path: PathBuf,
    /// What its maker calls it.
    pub model: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Why it is not written.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is nothing there.
    #[error("cannot use {}: {source}; `lsblk` lists the disks", .path.display())]
    Missing {
        /// What was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no disk.
    #[error("{} is no disk; `lsblk` lists the disks", .0.display())]
    NoDisk(PathBuf),
    /// It is a part of one.
    #[error("{} is a partition; an image is a whole disk: name {disk}", .path.display())]
    Partition {
        /// What was named.
        path: PathBuf,
        /// Its disk.
        disk: String,
    },
    /// Something uses it.
    #[error("{} is in use: {use_}; if it is the right disk, unmount it first", .path.display())]
    InUse {
        /// What was named.
        path: PathBuf,
        /// By what.
        use_: String,
    },
    /// The image does not fit.
    #[error("{} has {has} bytes, and the image {needed}: take a larger one", .path.display())]
    Small {
        /// What was named.
        path: PathBuf,
        /// Its size.
        has: u64,
        /// The image's.
        needed: u64,
    },
}

impl Device {
    /// The disk, if an image of `needed` bytes may be written to it: it is whole, large enough, and nothing uses it or a
    /// part of it. The disk that this system is on is always in use.
    pub fn unused(path: &Path, needed: u64) -> Result<Self, DeviceError> {
        let missing = |source| DeviceError::Missing {
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(missing)?;
        if !metadata.file_type().is_block_device() {
            return Err(DeviceError::NoDisk(path.to_owned()));
        }
        let number = metadata.rdev();
        let number = format!("{}:{}", major(number), minor(number));
        let folder =
            fs::canonicalize(Path::new("/sys/dev/block").join(&number)).map_err(missing)?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(missing)?;
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        check(path, &folder, &mounts, &swaps)?;
        let bytes = number_in(&folder.join("size")) * 512;
        if bytes < needed {
            return Err(DeviceError::Small {
                path: path.to_owned(),
                has: bytes,
                needed,
            });
        }
        let model = fs::read_to_string(folder.join("device/model")).unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            model: model.trim().to_owned(),
            bytes,
        })
    }
}

fn number_in(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Refuses a partition, and a disk of which something is mounted, swapped to, or a part of something else. `folder` is the
/// disk's in sysfs.
fn check(path: &Path, folder: &Path, mounts: &str, swaps: &str) -> Result<(), DeviceError> {
    if folder.join("partition").exists() {
        let disk = folder
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        return Err(DeviceError::Partition {
            path: path.to_owned(),
            disk: format!("/dev/{}", disk.to_string_lossy()),
        });
    }
    match first_use(folder, mounts, swaps) {
        None => Ok(()),
        Some(use_) => Err(DeviceError::InUse {
            path: path.to_owned(),
            use_,
        }),
    }
}

fn first_use(disk: &Path, mounts: &str, swaps: &str) -> Option<String> {
    let entries = fs::read_dir(disk).into_iter().flatten().flatten();
    let partitions = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("partition").exists());
    [disk.to_owned()]
        .into_iter()
        .chain(partitions)
        .find_map(|part| use_of(&part, mounts, swaps))
}

fn use_of(part: &Path, mounts: &str, swaps: &str) -> Option<String> {
    let name = part.file_name()?.to_string_lossy().into_owned();
    let number = fs::read_to_string(part.join("dev")).unwrap_or_default();
    let number = number.trim();
    // Of a line of mountinfo the third word is the device's number, the fifth where it is mounted. The source after
    // the dash names it where the number is the file system's own.
    let source = format!(" /dev/{name} ");
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (of, at) = (words.get(2)?, words.get(4)?);
        if *of == number || format!("{line} ").contains(&source) {
            return Some(format!("{name} is mounted at {at}"));
        }
    }
    if swaps
        .lines()
        .any(|line| line.starts_with(&format!("/dev/{name} ")))
    {
        return Some(format!("{name} is swap space"));
    }
    let mut holders = fs::read_dir(part.join("holders"))
        .into_iter()
        .flatten()
        .flatten();
    let holder = holders.next()?.file_name().to_string_lossy().into_owned();
    Some(format!("{name} is a part of {holder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:2 / / rw - ext4 /dev/sda2 rw
23 22 0:40 / /data rw - btrfs /dev/sdb1 rw
";

    /// A disk with one partition in a sysfs of its own.
    fn disk(folder: &Path, name: &str, number: &str) -> PathBuf {
        let disk = folder.join(name);
        let partition = disk.join(format!("{name}1"));
        fs::create_dir_all(partition.join("holders")).unwrap();
        fs::write(disk.join("dev"), "9:0\n").unwrap();
        fs::write(partition.join("partition"), "1\n").unwrap();
        fs::write(partition.join("dev"), format!("{number}\n")).unwrap();
        disk
    }

    fn checked(disk: &Path, swaps: &str) -> Result<(), String> {
        let done = check(Path::new("/dev/x"), disk, MOUNTS, swaps);
        done.map_err(|error| error.to_string())
    }

    #[test]
    fn a_disk_of_which_something_is_used_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let system = checked(&disk(folder.path(), "sda", "8:2"), "").unwrap_err();
        assert!(system.contains("sda1 is mounted at /;"), "{system}");
        let by_name = checked(&disk(folder.path(), "sdb", "8:17"), "").unwrap_err();
        assert!(by_name.contains("mounted at /data"), "{by_name}");
        let free = disk(folder.path(), "sdc", "8:33");
        assert_eq!(checked(&free, "/dev/sdd1 partition\n"), Ok(()));
        let swap = checked(&free, "Filename Type\n/dev/sdc1 partition 1 0\n").unwrap_err();
        assert!(swap.contains("swap"), "{swap}");
        fs::write(free.join("sdc1/holders/dm-0"), "").unwrap();
        let held = checked(&free, "").unwrap_err();
        assert!(held.contains("a part of dm-0"), "{held}");
    }

    #[test]
    fn a_partition_is_refused_with_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let partition = disk(folder.path(), "sdc", "8:33").join("sdc1");
        let error = checked(&partition, "").unwrap_err();
        assert!(error.contains("/dev/sdc"), "{error}");
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(matches!(
            Device::unused(&file, 0),
            Err(DeviceError::Missing { .. })
        ));
        fs::write(&file, "").unwrap();
        assert!(matches!(
            Device::unused(&file, 0),
            Err(DeviceError::NoDisk(_))
        ));
        let null = Device::unused(Path::new("/dev/null"), 0);
        assert!(matches!(null, Err(DeviceError::NoDisk(_))));
    }
}
