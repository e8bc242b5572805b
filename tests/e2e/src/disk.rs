//! A disk of the pool, behind the back of its daemon.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The files on a disk that hold extents' data.
///
/// # Panics
/// When the disk cannot be read.
pub fn extent_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the disk can be read") {
        let path = entry.expect("the disk can be read").path();
        if path.is_dir() {
            found.extend(extent_files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "data")
        {
            found.push(path);
        }
    }
    found
}

/// Flips one bit in the middle of the first `needle` on the disk; false if it is nowhere there.
///
/// # Panics
/// When the disk cannot be read or written.
pub fn flip(disk: &Path, needle: &[u8]) -> bool {
    let Some((path, at)) = find(disk, needle) else {
        return false;
    };
    let middle = at + needle.len() as u64 / 2;
    let file = File::options().read(true).write(true).open(path);
    let file = file.expect("the extent can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)
        .expect("it can be read");
    file.write_all_at(&[byte[0] ^ 1], middle)
        .expect("it can be written");
    true
}

/// Where a run of bytes is on the disk: the extent's file, and the first byte there.
///
/// # Panics
/// When the disk cannot be read.
pub fn find(disk: &Path, needle: &[u8]) -> Option<(PathBuf, u64)> {
    extent_files(disk).into_iter().find_map(|path| {
        let bytes = fs::read(&path).expect("the extent can be read");
        let at = position(&bytes, needle)?;
        Some((path, at as u64))
    })
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    // A whole window's comparison is made only where its first byte fits.
    while let Some(step) = bytes[from..].iter().position(|byte| *byte == needle[0]) {
        let at = from + step;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
