//! Durable writes without the page cache.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::OFlags;

use crate::extent_file::write_durably;
use crate::open::{is_exhausted, open};

/// What such a write's memory, offset and length are multiples of: the block of every disk in use.
const ALIGNMENT: usize = 4096;

/// Bytes handed to the kernel at once.
const CHUNK: usize = 1 << 20;

thread_local! {
    /// Memory that is used again and again, so that it stays warm.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file to be written without the page cache, opened when that is first wanted.
#[derive(Debug)]
pub(crate) struct Direct {
    path: PathBuf,
    file: OnceLock<Option<File>>,
}

impl Direct {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: OnceLock::new(),
        }
    }

    /// Writes durably; `None` when the bytes do not lie on blocks or the file system cannot write
    /// them past its cache: they are to be written through it.
    pub fn write(&self, bytes: &[u8], offset: u64) -> Option<std::io::Result<()>> {
        let aligned = |number: usize| number.is_multiple_of(ALIGNMENT);
        if !aligned(offset as usize) || !aligned(bytes.len()) {
            return None;
        }
        let file = self.opened()?;
        let written = if aligned(bytes.as_ptr() as usize) {
            write_durably(file, bytes, offset)
        } else {
            copy_and_write(file, bytes, offset)
        };
        match written {
            Err(error) if error.kind() == ErrorKind::InvalidInput => None,
            written => Some(written),
        }
    }

    /// The file; `None` if this file system has no such writes, or no descriptor is left just now.
    fn opened(&self) -> Option<&File> {
        if let Some(known) = self.file.get() {
            return known.as_ref();
        }
        match self.open() {
            Err(error) if is_exhausted(&error) => None,
            opened => self.file.get_or_init(|| opened.ok()).as_ref(),
        }
    }

    fn open(&self) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed());
        open(&options, &self.path)
    }
}

fn copy_and_write(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK + ALIGNMENT, 0);
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        let mut offset = offset;
        for chunk in bytes.chunks(CHUNK) {
            let aligned = &mut buffer[start..start + chunk.len()];
            aligned.copy_from_slice(chunk);
            write_durably(file, aligned, offset)?;
            offset += chunk.len() as u64;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_its_place_in_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        File::create(&path)
            .and_then(|file| file.set_len(8 << 20))
            .expect("a file");
        let direct = Direct::new(path.clone());
        let memory: Vec<u8> = (0..3 * CHUNK).map(|at| (at / 700) as u8).collect();
        for (from, length, offset) in [(0, 2 * CHUNK, 4096), (13, 2 * CHUNK + 8192, 1 << 20)] {
            let bytes = &memory[from..from + length];
            let Some(written) = direct.write(bytes, offset) else {
                return; // The file system of this machine's temporary files has no such writes.
            };
            written.expect("a write");
            let read = std::fs::read(&path).expect("the file");
            assert!(read[offset as usize..][..length] == *bytes);
        }
        assert!(direct.write(&memory[..100], 0).is_none(), "no whole block");
        assert!(
            direct.write(&memory[..4096], 512).is_none(),
            "not on a block"
        );
    }
}
