//! Memory for large reads, used again and again: fresh memory would be filled with zeroes, page by
//! page, before the disk's bytes are put over them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// The length of a kept buffer, in bytes: the longest read that s3d asks for.
const LENGTH: usize = 1 << 20;

/// A read from this length on takes a kept buffer, and so at most twice the memory that it needs.
const LEAST: usize = LENGTH / 2;

/// Buffers that are kept while nobody uses them.
const KEPT: usize = 8;

/// The buffers that nobody uses now; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

/// Bytes to read into. It goes back to where it came from when it is dropped, also as [`Bytes`].
#[derive(Debug)]
pub struct Buffer {
    memory: Box<[u8]>,
    length: usize,
    home: Option<Buffers>,
}

impl Buffers {
    /// A buffer of `length` bytes, which may hold anything.
    pub fn take(&self, length: usize) -> Buffer {
        if !(LEAST..=LENGTH).contains(&length) {
            return Buffer {
                memory: vec![0; length].into(),
                length,
                home: None,
            };
        }
        let kept = self.0.lock().pop();
        Buffer {
            memory: kept.unwrap_or_else(|| vec![0; LENGTH].into()),
            length,
            home: Some(self.clone()),
        }
    }

    fn give_back(&self, memory: Box<[u8]>) {
        let mut kept = self.0.lock();
        if kept.len() < KEPT {
            kept.push(memory);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.give_back(std::mem::take(&mut self.memory));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_is_used_again_when_its_bytes_are_dropped() {
        let buffers = Buffers::default();
        let mut first = buffers.take(LEAST);
        first.fill(7);
        let place = first.as_ptr();
        let bytes = Bytes::from(first);
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_ne!(buffers.take(LENGTH).as_ptr(), place, "part of it is in use");
        assert_eq!(&part[..], [7, 7]);
        drop(part);
        let next = buffers.take(LENGTH);
        assert_eq!(next.as_ptr(), place);
        assert_eq!(next.len(), LENGTH);
    }

    #[test]
    fn only_so_many_are_kept() {
        let buffers = Buffers::default();
        let taken: Vec<_> = (0..2 * KEPT).map(|_| buffers.take(LENGTH)).collect();
        drop(taken);
        drop((buffers.take(LEAST - 1), buffers.take(LENGTH + 1)));
        assert_eq!(buffers.0.lock().len(), KEPT);
    }
}
