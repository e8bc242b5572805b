//! Where a disk's files are.
//!
//! ```text
//! <disk>/disk.json                                   the disk's identity
//! <disk>/state                                       whose it is, and its incarnation
//! <disk>/volumes/<volume>/<extent>.<alloc>.data      64 MiB, sparse
//! <disk>/volumes/<volume>/<extent>.<alloc>.sums      a header page and 16 pages of CRC32C
//! <disk>/volumes/<volume>/dirty                      the dirty log
//! <disk>/volumes/<volume>/missed                     what other disks missed
//! <disk>/volumes/<volume>/promise                    the promised epoch
//! <disk>/volumes/<volume>/held                       what each extent holds, for the next start
//! ```

use std::path::{Path, PathBuf};

use volumed_core::message::ExtentFile;
use volumed_core::{Alloc, ExtentIndex, VolumeId};

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn identity(&self) -> PathBuf {
        self.root.join("disk.json")
    }

    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    pub fn volume(&self, volume: VolumeId) -> PathBuf {
        self.volumes().join(volume.to_string())
    }

    pub fn data(&self, volume: VolumeId, file: ExtentFile) -> PathBuf {
        self.volume(volume)
            .join(format!("{}.{}.data", file.extent, file.alloc))
    }

    pub fn sums(&self, volume: VolumeId, file: ExtentFile) -> PathBuf {
        self.volume(volume)
            .join(format!("{}.{}.sums", file.extent, file.alloc))
    }

    pub fn dirty_log(&self, volume: VolumeId) -> PathBuf {
        self.volume(volume).join("dirty")
    }

    pub fn missed_log(&self, volume: VolumeId) -> PathBuf {
        self.volume(volume).join("missed")
    }

    pub fn promise(&self, volume: VolumeId) -> PathBuf {
        self.volume(volume).join("promise")
    }

    pub fn held(&self, volume: VolumeId) -> PathBuf {
        self.volume(volume).join("held")
    }
}

/// The extent that a file's name says it belongs to.
pub(crate) fn parse_extent(name: &str) -> Option<ExtentFile> {
    let stem = name
        .strip_suffix(".data")
        .or_else(|| name.strip_suffix(".sums"))?;
    let (extent, alloc) = stem.split_once('.')?;
    let file = ExtentFile {
        extent: ExtentIndex(extent.parse().ok()?),
        alloc: Alloc(alloc.parse().ok()?),
    };
    // One name for one extent, or an odd file would be taken for an extent's.
    (format!("{}.{}", file.extent, file.alloc) == stem).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::parse_extent;

    #[test]
    fn only_an_extents_own_name_is_taken_for_it() {
        let file = parse_extent("12.34.data").unwrap();
        assert_eq!((file.extent.0, file.alloc.0), (12, 34));
        assert_eq!(parse_extent("12.34.sums"), Some(file));
        for odd in [
            "012.34.data",
            "12.+4.data",
            "12.data",
            "12.34",
            "dirty",
            "missed",
            "12.34.data.bak",
        ] {
            assert_eq!(parse_extent(odd), None, "{odd}");
        }
    }
}
