//! Memory for large reads, used again and again: fresh memory would be filled with zeroes, page by
//! page, before the disk's bytes are put over them.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// The length of a kept buffer, in bytes: the longest read that s3d asks for. A read from half of it
/// on takes one, and so at most twice the memory that it needs.
const LENGTH: usize = 1 << 20;

/// The same of a buffer for what the page cache has: what is read into it and sent from it stays in
/// the processor's own cache meanwhile.
const SHORT: usize = 64 << 10;

/// Buffers of a length that are kept while nobody uses them.
const KEPT: usize = 8;

thread_local! {
    /// Short buffers that nobody uses now. One that another thread used last would have to come out
    /// of its processor's cache.
    static SHORT_ONES: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// The long buffers that nobody uses now; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

/// Bytes to read into. It goes back to where it came from when it is dropped, also as [`Bytes`].
#[derive(Debug)]
pub struct Buffer {
    memory: Box<[u8]>,
    length: usize,
    home: Home,
}

#[derive(Debug)]
enum Home {
    All(Buffers),
    /// Of the thread that gives it back.
    Thread,
    /// Not kept.
    None,
}

impl Buffers {
    /// A buffer of `length` bytes, which may hold anything.
    pub fn take(&self, length: usize) -> Buffer {
        let at_least_half = |of: usize| (of / 2..=of).contains(&length);
        let (kept, whole, home) = if at_least_half(LENGTH) {
            (self.0.lock().pop(), LENGTH, Home::All(self.clone()))
        } else if at_least_half(SHORT) {
            let kept = SHORT_ONES.with_borrow_mut(Vec::pop);
            (kept, SHORT, Home::Thread)
        } else {
            (None, length, Home::None)
        };
        Buffer {
            memory: kept.unwrap_or_else(|| vec![0; whole].into()),
            length,
            home,
        }
    }
}

fn keep(kept: &mut Vec<Box<[u8]>>, memory: Box<[u8]>) {
    if kept.len() < KEPT {
        kept.push(memory);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        match &self.home {
            Home::All(buffers) => keep(&mut buffers.0.lock(), memory),
            // A thread that ends keeps nothing.
            Home::Thread => drop(SHORT_ONES.try_with(|kept| keep(&mut kept.borrow_mut(), memory))),
            Home::None => {}
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
        let mut first = buffers.take(LENGTH / 2);
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
        drop((buffers.take(LENGTH / 2 - 1), buffers.take(LENGTH + 1)));
        assert_eq!(buffers.0.lock().len(), KEPT);
    }

    #[test]
    fn a_short_buffer_is_used_again_by_its_thread_alone() {
        let buffers = Buffers::default();
        let first = buffers.take(SHORT);
        let place = first.as_ptr() as usize;
        drop(first);
        let other = buffers.clone();
        let elsewhere = std::thread::spawn(move || {
            let taken = other.take(SHORT);
            taken.as_ptr() as usize
        });
        assert_ne!(elsewhere.join().unwrap(), place);
        assert_eq!(buffers.take(SHORT / 2).as_ptr() as usize, place);
    }
}
