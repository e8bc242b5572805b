//! How much room is made for what comes in: little for a connection that is hardly used, of which a
//! node may have thousands, and much for a busy one.

use bytes::BytesMut;

use crate::limits::INPUT_ROOM;

/// Room that is made at once, at least and at most.
const CHUNK: (usize, usize) = (2 * INPUT_ROOM, 16 * INPUT_ROOM);

/// A chunk that lasts only so many reads is too small.
const FEW_READS: u32 = 8;

/// A chunk that lasts so many reads is too large: the largest lasts 16 that fill all room there is.
const MANY_READS: u32 = 64;

/// Makes room in one connection's input.
#[derive(Debug)]
pub(crate) struct Room {
    chunk: usize,
    /// Reads since room was last made.
    reads: u32,
}

impl Room {
    pub fn new() -> Self {
        Self {
            chunk: CHUNK.0,
            reads: 0,
        }
    }

    /// To be called before each read: `missing` bytes are known to come.
    pub fn make(&mut self, input: &mut BytesMut, missing: usize) {
        self.reads += 1;
        if input.capacity() - input.len() >= missing.max(INPUT_ROOM) {
            return;
        }
        self.chunk = match self.reads {
            ..=FEW_READS => (self.chunk * 2).min(CHUNK.1),
            MANY_READS.. => CHUNK.0,
            _ => self.chunk,
        };
        self.reads = 0;
        let room = missing.max(self.chunk);
        if input.is_empty() {
            // Reserving would keep the whole of a large buffer of which this is the end.
            *input = BytesMut::with_capacity(room);
        } else {
            input.reserve(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the buffer after `reads` reads of `length` bytes, each taken out at once.
    fn held_after(reads: usize, length: usize) -> usize {
        let (mut room, mut input) = (Room::new(), BytesMut::new());
        let mut held = 0;
        for _ in 0..reads {
            let before = input.capacity();
            room.make(&mut input, 0);
            if input.capacity() != before {
                held = input.capacity();
            }
            input.extend_from_slice(&vec![0; length]);
            drop(input.split_to(length));
        }
        held
    }

    #[test]
    fn a_quiet_connection_holds_little_and_a_busy_one_much() {
        assert!(held_after(100, 28) <= 2 * CHUNK.0);
        assert!(held_after(100, INPUT_ROOM) >= CHUNK.1);
    }

    #[test]
    fn what_is_known_to_come_fits() {
        let (mut room, mut input) = (Room::new(), BytesMut::new());
        input.extend_from_slice(&[7; 100]);
        room.make(&mut input, 1 << 20);
        assert!(input.capacity() >= 100 + (1 << 20));
        assert_eq!(input[..], [7; 100]);
    }

    #[test]
    fn a_large_buffer_does_not_stay() {
        let (mut room, mut input) = (Room::new(), BytesMut::new());
        room.make(&mut input, 1 << 20);
        input.extend_from_slice(&vec![0; 1 << 20]);
        drop(input.split_to(1 << 20));
        room.make(&mut input, 0);
        assert!(input.capacity() <= 2 * CHUNK.1);
    }
}
