//! Copies an image and reads it back.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// What is copied at once.
const CHUNK: usize = 4 << 20;

/// Why the device does not hold the image.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The image cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The device cannot be written or read.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The device.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It gives back something else.
    #[error("{} does not hold what was written to it: take another card or disk", .0.display())]
    Differs(PathBuf),
}

/// What is done with the bytes that `progress` is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// They are written.
    Write,
    /// They are read back.
    Verify,
}

/// Copies an image to a device and compares what the device then holds. `progress` gets the bytes done of a pass.
pub fn copy(image: &Path, device: &Path, progress: impl Fn(Pass, u64)) -> Result<(), CopyError> {
    let read = |source| CopyError::Read {
        path: image.to_owned(),
        source,
    };
    let write = |source| CopyError::Write {
        path: device.to_owned(),
        source,
    };
    let mut from = File::open(image).map_err(read)?;
    let mut to = File::options().write(true).open(device).map_err(write)?;
    let mut wanted = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let count = from.read(&mut chunk).map_err(read)?;
        if count == 0 {
            break;
        }
        wanted.update(&chunk[..count]);
        to.write_all(&chunk[..count]).map_err(write)?;
        done += count as u64;
        progress(Pass::Write, done);
    }
    to.sync_all().map_err(write)?;
    drop(to);
    forget(device);
    let held = sum(device, done, |done| progress(Pass::Verify, done)).map_err(write)?;
    if held == <[u8; 32]>::from(wanted.finalize()) {
        Ok(())
    } else {
        Err(CopyError::Differs(device.to_owned()))
    }
}

/// Has the kernel forget what it remembers of the device, so that it is read from there; a file in place of one is
/// compared all the same.
fn forget(device: &Path) {
    let _ = Command::new("blockdev")
        .arg("--flushbufs")
        .arg(device)
        .output();
}

fn sum(path: &Path, bytes: u64, progress: impl Fn(u64)) -> io::Result<[u8; 32]> {
    let mut from = File::open(path)?.take(bytes);
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&chunk[..count]);
        done += count as u64;
        progress(done);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;

    #[test]
    fn an_image_is_copied_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (image, device) = (folder.path().join("image"), folder.path().join("device"));
        let bytes: Vec<u8> = (0..CHUNK + 7).map(|index| index as u8).collect();
        fs::write(&image, &bytes).unwrap();
        fs::write(&device, vec![9; CHUNK * 2]).unwrap();
        let seen = RefCell::new(Vec::new());
        copy(&image, &device, |pass, done| {
            seen.borrow_mut().push((pass, done));
        })
        .unwrap();
        let held = fs::read(&device).unwrap();
        assert_eq!(held[..bytes.len()], bytes);
        assert_eq!(held.len(), CHUNK * 2, "a device keeps its size");
        let all = bytes.len() as u64;
        let seen = seen.into_inner();
        assert!(seen.contains(&(Pass::Write, all)) && seen.contains(&(Pass::Verify, all)));
    }

    #[test]
    fn a_device_that_keeps_nothing_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::write(&image, "an image").unwrap();
        let full = copy(&image, Path::new("/dev/null"), |_, _| {});
        assert!(full.is_err());
    }
}
