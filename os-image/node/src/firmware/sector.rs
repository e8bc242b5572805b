//! A file that lies in one sector, and of which a few letters change.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::starting::FirmwareError;

/// The smallest thing that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Reads the file.
pub fn read(path: &Path) -> Result<String, FirmwareError> {
    std::fs::read_to_string(path).map_err(|source| failed(path, source))
}

/// Overwrites the file with a text of the same length. Its place on the disk stays the same, and so does all that the
/// file system knows of it.
pub fn overwrite(path: &Path, text: &str) -> Result<(), FirmwareError> {
    let old = read(path)?;
    if old.len() != text.len() || text.len() > SECTOR {
        return Err(FirmwareError::Unclear(path.to_owned()));
    }
    let file = File::options().write(true).open(path);
    file.and_then(|file| {
        file.write_all_at(text.as_bytes(), 0)?;
        file.sync_all()
    })
    .map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> FirmwareError {
    FirmwareError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_text_of_the_same_length_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loader.conf");
        fs::write(&path, "default a\n").unwrap();
        overwrite(&path, "default b\n").unwrap();
        assert_eq!(read(&path).unwrap(), "default b\n");
        assert!(overwrite(&path, "default\n").is_err());
        assert_eq!(read(&path).unwrap(), "default b\n");
        fs::write(&path, "x".repeat(513)).unwrap();
        assert!(overwrite(&path, &"y".repeat(513)).is_err());
    }
}
