//! Messages between nodes as bytes: those of a head to a replica elsewhere, and the replica's answers, as
//! *frames* of one stream.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the body, u32, at most 1 MiB and 32 bytes |
//! | 4..6 | version, u16 |
//! | 6..8 | kind, u16: what the body is |
//! | 8..16 | volume, u64 |
//! | 16..18 | disk, u16 |
//! | 18..26 | incarnation, u64 |
//! | 26..34 | epoch, u64 |
//! | 34..42 | operation, u64 |
//! | 42.. | the body, see [`Kind`] |
//!
//! All integers are little-endian. There is no checksum: whatever carries frames must not change a
//! byte unnoticed, and blocks have sums of their own where they are stored (V10).
//!
//! What others sent is checked here, once: a message that was read lies within an extent of the largest
//! volume, and keeps the bounds of [`crate::message`]. A body counts nothing; its list goes to its
//! end, so no more memory is taken than was received.

mod header;
mod kind;
mod read;
mod write;

use bytes::{Bytes, TryGetError};

use crate::message::{Answer, MOST_DATA, Message};

pub use header::{HEADER_SIZE, Header};
pub use kind::Kind;

/// The version that is written. Whoever changes what a kind means raises it; a new kind needs none.
pub const VERSION: u16 = 1;

/// The longest body: the data of a write, and where it goes.
pub const MAX_BODY: usize = MOST_DATA as usize + 32;

/// What one frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// From a head to a replica.
    Message(Message),
    /// From a replica to its head.
    Answer(Answer),
}

/// A frame as bytes, of which those of a write or a read are not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The header, and the body but for its data.
    pub head: Vec<u8>,
    /// What follows it.
    pub data: Bytes,
}

/// Bytes are no frame that this program takes. The stream that they came on is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A newer program wrote them.
    #[error(
        "a message has version {found}, and this program knows up to {known}: use a newer program"
    )]
    Newer {
        /// The version of the frame.
        found: u16,
        /// The newest one that is known.
        known: u16,
    },
    /// A newer program wrote them.
    #[error("a message is of kind {0}, which this program does not know: use a newer program")]
    UnknownKind(u16),
    /// No body is so long.
    #[error("a message has a body of {0} bytes; {MAX_BODY} are the most")]
    TooLong(u32),
    /// They are not what their kind should be, or name what cannot be.
    #[error("a message is damaged")]
    Damaged,
}

impl From<TryGetError> for WireError {
    fn from(_: TryGetError) -> Self {
        Self::Damaged
    }
}
