//! What is on a disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::program::{ProgramError, output};

/// The label of a node's disk begins with this; its number follows.
const LABEL: &str = "hayrack-";
/// How much of a disk's beginning and end has to be empty. Partition tables and the signatures of file systems and
/// volume groups are there, also those that no program here knows.
const EDGE: u64 = 4 << 20;
/// blkid's exit code when it found nothing.
const NOTHING: i32 = 2;

/// Whose disk it is, in a file at the top of its file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The rack.
    pub rack: String,
    /// The node.
    pub node: String,
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing that anybody wrote.
    Nothing,
    /// A file system that a node of some rack made, and the number that it has there.
    Hayrack(u8),
    /// Something else, in a few words.
    Foreign(String),
}

/// Why it is unknown what is on a disk.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// blkid does not run.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

impl Owner {
    /// The file's name.
    pub const FILE: &str = "hayrack.toml";

    /// The owner of a mounted file system, if it was formatted to its end.
    pub fn of(mount_point: &Path) -> Option<Self> {
        let text = fs::read_to_string(mount_point.join(Self::FILE)).ok()?;
        toml::from_str(&text).ok()
    }
}

/// The label of the disk with this number.
pub fn label(number: u8) -> String {
    format!("{LABEL}{number}")
}

impl Content {
    /// Looks at a disk, or at a file in place of one.
    pub fn of(device: &Path) -> Result<Self, ContentError> {
        let found = probe(device)?;
        let value = |name: &str| {
            let line = found.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::to_owned)
        };
        let number = value("LABEL=").and_then(|label| label.strip_prefix(LABEL)?.parse().ok());
        if let (Some(number), Some("ext4")) = (number, value("TYPE=").as_deref()) {
            return Ok(Self::Hayrack(number));
        }
        if let Some(kind) = value("TYPE=") {
            let label = value("LABEL=").map(|label| format!(" called {label:?}"));
            let what = format!(
                "a file system or volume ({kind}){}",
                label.unwrap_or_default()
            );
            return Ok(Self::Foreign(what));
        }
        if let Some(table) = value("PTTYPE=") {
            return Ok(Self::Foreign(format!("a partition table ({table})")));
        }
        if !found.is_empty() {
            return Ok(Self::Foreign(found.lines().collect::<Vec<_>>().join(", ")));
        }
        let empty = has_empty_edges(device).map_err(|source| ContentError::Read {
            path: device.to_owned(),
            source,
        })?;
        Ok(if empty {
            Self::Nothing
        } else {
            Self::Foreign("data of unknown kind".to_owned())
        })
    }
}

/// What blkid finds, as lines of NAME=value; nothing if it finds nothing.
fn probe(device: &Path) -> Result<String, ProgramError> {
    let mut command = Command::new("blkid");
    command.args(["--probe", "--output", "export"]).arg(device);
    let output = output("blkid", &mut command)?;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(NOTHING) => Ok(String::new()),
        // Among others several signatures, none of which is surely the right one.
        _ => Ok("several things at once".to_owned()),
    }
}

fn has_empty_edges(device: &Path) -> io::Result<bool> {
    let mut file = File::open(device)?;
    let length = file.seek(SeekFrom::End(0))?;
    for start in [0, length.saturating_sub(EDGE)] {
        file.seek(SeekFrom::Start(start))?;
        let mut edge = Vec::new();
        (&mut file).take(EDGE).read_to_end(&mut edge)?;
        // Erased flash reads as one or the other.
        let first = edge.first().copied().unwrap_or(0);
        if !matches!(first, 0 | 0xff) || edge.iter().any(|byte| *byte != first) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::run;

    const SIZE: u64 = 32 << 20;

    fn disk(folder: &Path) -> PathBuf {
        let path = folder.join("disk");
        File::create(&path).unwrap().set_len(SIZE).unwrap();
        path
    }

    fn write_at(path: &Path, at: u64, bytes: &[u8]) {
        use std::os::unix::fs::FileExt as _;
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    #[test]
    fn an_empty_disk_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Content::of(&disk(folder.path())).unwrap(), Content::Nothing);
    }

    #[test]
    fn one_byte_at_either_end_is_something() {
        for at in [0, EDGE - 1, SIZE - EDGE, SIZE - 1] {
            let folder = tempfile::tempdir().unwrap();
            let disk = disk(folder.path());
            write_at(&disk, at, &[7]);
            let content = Content::of(&disk).unwrap();
            assert!(
                matches!(content, Content::Foreign(_)),
                "byte {at}: {content:?}"
            );
        }
    }

    #[test]
    fn file_systems_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        let path = disk.to_str().unwrap();
        run("mke2fs", ["-q", "-t", "ext4", "-L", "photos", path]).unwrap();
        let Content::Foreign(what) = Content::of(&disk).unwrap() else {
            panic!("somebody's photos");
        };
        assert!(what.contains("ext4") && what.contains("photos"), "{what}");
        run("mke2fs", ["-q", "-F", "-t", "ext4", "-L", &label(3), path]).unwrap();
        assert_eq!(Content::of(&disk).unwrap(), Content::Hayrack(3));
        run("mke2fs", ["-q", "-F", "-t", "ext2", "-L", &label(3), path]).unwrap();
        assert!(matches!(Content::of(&disk).unwrap(), Content::Foreign(_)));
    }

    #[test]
    fn a_partition_table_is_something() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        // An MBR with one partition and no code.
        let mut sector = [0; 512];
        sector[446..462].copy_from_slice(&[0, 0, 2, 0, 0x83, 0, 2, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        write_at(&disk, 0, &sector);
        let content = Content::of(&disk).unwrap();
        assert_eq!(
            content,
            Content::Foreign("a partition table (dos)".to_owned())
        );
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_not_empty() {
        let content = Content::of(Path::new("/no/such/disk"));
        assert!(!matches!(content, Ok(Content::Nothing)));
    }
}
