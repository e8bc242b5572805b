//! Reading what the disk really holds, past the page cache.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use volumed_core::BLOCK_SIZE;

use crate::open::open;

const BLOCK: usize = BLOCK_SIZE as usize;

/// Memory that a disk can write into: it begins at a whole block.
#[derive(Debug)]
pub(crate) struct Blocks {
    memory: Vec<u8>,
    from: usize,
    length: usize,
}

impl Blocks {
    /// `length` zero bytes.
    pub fn new(length: usize) -> Self {
        let memory = vec![0; length + BLOCK];
        let from = memory.as_ptr().align_offset(BLOCK);
        Self {
            memory,
            from,
            length,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.from..self.from + self.length]
    }

    /// The first `length` of them.
    pub fn first(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.from..self.from + length]
    }
}

/// Opens a file for reading past the page cache, if its file system knows how.
pub(crate) fn open_direct(path: &Path) -> std::io::Result<Option<File>> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    let opened = open(OpenOptions::new().read(true).custom_flags(flags), path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls `look` with each block of a range, or with nothing for one that cannot be read. `blocks` is
/// where they are read to.
pub(crate) fn each_block(
    file: &File,
    offset: u64,
    blocks: &mut [u8],
    mut look: impl FnMut(usize, Option<&[u8]>),
) {
    let whole = file.read_exact_at(blocks, offset).is_ok();
    for (at, block) in blocks.chunks_mut(BLOCK).enumerate() {
        let place = offset + (at * BLOCK) as u64;
        let read = whole || file.read_exact_at(block, place).is_ok();
        look(at, read.then_some(&*block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_as_they_are_on_the_disk() {
        // Not in memory alone: /tmp may be.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let path = folder.path().join("data");
        let content: Vec<u8> = (0..3 * BLOCK).map(|at| (at / BLOCK) as u8 + 1).collect();
        std::fs::write(&path, &content).expect("a file");
        let file = open_direct(&path).expect("opened");
        let file = file.unwrap_or_else(|| File::open(&path).expect("opened"));
        let mut blocks = Blocks::new(4 * BLOCK);
        let mut seen = Vec::new();
        each_block(&file, 0, blocks.first(4 * BLOCK), |at, block| {
            seen.push((at, block.map(|block| block[BLOCK - 1])));
        });
        // The last one lies beyond the end.
        let expected = [(0, Some(1)), (1, Some(2)), (2, Some(3)), (3, None)];
        assert_eq!(seen, expected);
    }
}
