use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use volumed_nbd::client::REQUEST_LENGTH;

/// Segments that one system call takes.
const SEGMENTS: usize = 128;

/// Bytes on their way to the socket.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    segments: VecDeque<Segment>,
}

#[derive(Debug)]
enum Segment {
    Header {
        bytes: [u8; REQUEST_LENGTH],
        sent: usize,
    },
    Data(Bytes),
}

impl Segment {
    fn rest(&self) -> &[u8] {
        match self {
            Self::Header { bytes, sent } => &bytes[*sent..],
            Self::Data(bytes) => bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Header { sent, .. } => *sent += count,
            Self::Data(bytes) => bytes.advance(count),
        }
    }
}

impl Outgoing {
    pub fn push(&mut self, header: [u8; REQUEST_LENGTH], pieces: &[Bytes]) {
        self.segments.push_back(Segment::Header {
            bytes: header,
            sent: 0,
        });
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            self.segments.push_back(Segment::Data(piece.clone()));
        }
    }

    pub fn append(&mut self, other: &mut Self) {
        self.segments.append(&mut other.segments);
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Writes until all is sent, or fails with `WouldBlock` and keeps the rest.
    pub fn write_to(&mut self, stream: &volumed_socket::Outgoing) -> io::Result<()> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SEGMENTS];
            let count = self.segments.len().min(SEGMENTS);
            for (slice, segment) in slices.iter_mut().zip(&self.segments) {
                *slice = IoSlice::new(segment.rest());
            }
            let sent = stream.try_write(&slices[..count])?;
            self.drop_sent(sent);
        }
        Ok(())
    }

    fn drop_sent(&mut self, mut count: usize) {
        while let Some(first) = self.segments.front_mut() {
            let length = first.rest().len();
            if count < length {
                first.advance(count);
                return;
            }
            count -= length;
            self.segments.pop_front();
        }
    }
}
