//! What machines an image is for, by the names of its partitions.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rack_model::models::Boot;

const SECTOR: u64 = 512;
/// The entries that a partition table has, and the bytes of each; so `build/disk` makes it.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Where in an entry the partition's name is, in UTF-16.
const NAME: usize = 56;

/// Why an image is not written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; `rack image` builds one", .path.display())]
    Unreadable {
        /// The image.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no image of a node: name the .img that `rack image` built", .0.display())]
    NoImage(PathBuf),
}

/// How the machines start that an image is for.
pub fn boot_of(image: &Path) -> Result<Boot, ImageError> {
    let unreadable = |source| ImageError::Unreadable {
        path: image.to_owned(),
        source,
    };
    let no_image = || ImageError::NoImage(image.to_owned());
    let mut file = File::open(image).map_err(unreadable)?;
    let mut table = vec![0; SECTOR as usize + ENTRIES * ENTRY];
    file.seek(SeekFrom::Start(SECTOR)).map_err(unreadable)?;
    match file.read_exact(&mut table) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(no_image()),
        read => read.map_err(unreadable)?,
    }
    let (header, entries) = table.split_at(SECTOR as usize);
    let names: Vec<String> = entries.chunks_exact(ENTRY).map(name).collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if !header.starts_with(b"EFI PART") || !has("hayrack-state") {
        return Err(no_image());
    }
    // A Pi's slots have a partition each to start from.
    Ok(if has("hayrack-boot-a") {
        Boot::RaspberryPi
    } else {
        Boot::Uefi
    })
}

fn name(entry: &[u8]) -> String {
    let units = entry[NAME..].chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The beginning of a disk with such partitions.
    fn disk(names: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0; 2 * SECTOR as usize + ENTRIES * ENTRY];
        bytes[SECTOR as usize..][..8].copy_from_slice(b"EFI PART");
        for (number, name) in names.iter().enumerate() {
            let entry = 2 * SECTOR as usize + number * ENTRY;
            let units = name.encode_utf16().flat_map(u16::to_le_bytes);
            for (place, byte) in bytes[entry + NAME..].iter_mut().zip(units) {
                *place = byte;
            }
        }
        bytes
    }

    #[test]
    fn an_image_is_for_pis_or_for_pcs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::write(
            &path,
            disk(&["hayrack-boot", "hayrack-root-a", "hayrack-state"]),
        )
        .unwrap();
        assert_eq!(boot_of(&path).unwrap(), Boot::Uefi);
        fs::write(
            &path,
            disk(&["hayrack-boot", "hayrack-boot-a", "hayrack-state"]),
        )
        .unwrap();
        assert_eq!(boot_of(&path).unwrap(), Boot::RaspberryPi);
    }

    #[test]
    fn other_files_are_no_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let unsigned = vec![0; 2 * SECTOR as usize + ENTRIES * ENTRY];
        for bytes in [Vec::new(), b"an image".to_vec(), unsigned, disk(&["root"])] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(boot_of(&path), Err(ImageError::NoImage(_))));
        }
        let missing = boot_of(&folder.path().join("missing"));
        assert!(matches!(missing, Err(ImageError::Unreadable { .. })));
    }
}
