use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Failure;
use crate::limits::MAX_STRING;
use crate::wire::{SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, allocation, chunk};

/// Room for the longest header: a structured chunk's with an offset.
const HEAD: usize = 28;

/// How requests are answered on a connection, as its handshake settled it.
#[derive(Debug, Clone, Copy)]
pub struct Replies {
    structured: bool,
}

/// A message to the client: [`Reply::head`], then [`Reply::body`].
#[derive(Debug, Clone)]
pub struct Reply {
    head: [u8; HEAD],
    head_length: u8,
    body: Bytes,
}

impl Reply {
    /// What goes first.
    pub fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_length)]
    }

    /// What follows it; may be empty.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    fn new(body: Bytes) -> Self {
        Self {
            head: [0; HEAD],
            head_length: 0,
            body,
        }
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        let start = usize::from(self.head_length);
        let end = start + bytes.len();
        self.head[start..end].copy_from_slice(bytes);
        self.head_length = end as u8;
        self
    }
}

impl Replies {
    pub(super) fn new(structured: bool) -> Self {
        Self { structured }
    }

    /// The request is done; for everything but a READ of at least one byte.
    pub fn done(self, cookie: u64) -> Reply {
        simple(cookie, 0, Bytes::new())
    }

    /// A READ at `offset` gave `data`, all that was asked for.
    pub fn data(self, cookie: u64, offset: u64, data: Bytes) -> Reply {
        if !self.structured {
            return simple(cookie, 0, data);
        }
        if data.is_empty() {
            return last_chunk(cookie, chunk::NONE, 0, data);
        }
        // The last chunk, for nothing can fail once the data is at hand.
        let length = 8 + data.len();
        last_chunk(cookie, chunk::OFFSET_DATA, length, data).put(&offset.to_be_bytes())
    }

    /// A BLOCK_STATUS is answered with [`descriptors`]; only where its context was chosen.
    pub fn status(self, cookie: u64, descriptors: Bytes) -> Reply {
        let length = 4 + descriptors.len();
        last_chunk(cookie, chunk::BLOCK_STATUS, length, descriptors)
            .put(&allocation::ID.to_be_bytes())
    }

    /// The request failed.
    pub fn error(self, cookie: u64, failure: impl Into<Failure>) -> Reply {
        let Failure { error, sentence } = failure.into();
        if !self.structured {
            return simple(cookie, error.to_wire(), Bytes::new());
        }
        let mut body = match sentence {
            Cow::Borrowed(sentence) => Bytes::from_static(sentence.as_bytes()),
            Cow::Owned(sentence) => Bytes::from(sentence),
        };
        body.truncate(MAX_STRING);
        let length = body.len();
        last_chunk(cookie, chunk::ERROR, 6 + length, body)
            .put(&error.to_wire().to_be_bytes())
            .put(&(length as u16).to_be_bytes())
    }
}

/// What a BLOCK_STATUS is answered: runs of bytes by length, each either a hole, which reads zero,
/// or not.
pub fn descriptors(runs: impl IntoIterator<Item = (u32, bool)>) -> Bytes {
    let mut bytes = BytesMut::new();
    for (length, hole) in runs {
        bytes.put_u32(length);
        bytes.put_u32(if hole {
            allocation::HOLE | allocation::ZERO
        } else {
            0
        });
    }
    bytes.freeze()
}

fn simple(cookie: u64, error: u32, data: Bytes) -> Reply {
    Reply::new(data)
        .put(&SIMPLE_REPLY_MAGIC.to_be_bytes())
        .put(&error.to_be_bytes())
        .put(&cookie.to_be_bytes())
}

fn last_chunk(cookie: u64, kind: u16, length: usize, body: Bytes) -> Reply {
    Reply::new(body)
        .put(&STRUCTURED_REPLY_MAGIC.to_be_bytes())
        .put(&chunk::FLAG_DONE.to_be_bytes())
        .put(&kind.to_be_bytes())
        .put(&cookie.to_be_bytes())
        .put(&(length as u32).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NbdError;

    #[test]
    fn simple_replies_carry_error_cookie_and_data() {
        let replies = Replies::new(false);
        let reply = replies.data(7, 4096, Bytes::from_static(b"abc"));
        assert_eq!(reply.head(), b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\x07");
        assert_eq!(&reply.body()[..], b"abc");
        let reply = replies.error(7, NbdError::NoSpace);
        assert_eq!(
            reply.head(),
            b"\x67\x44\x66\x98\0\0\0\x1c\0\0\0\0\0\0\0\x07"
        );
        assert!(reply.body().is_empty());
    }

    #[test]
    fn a_structured_read_is_one_final_chunk_with_its_offset() {
        let reply = Replies::new(true).data(7, 0x1000, Bytes::from_static(b"abc"));
        let head = b"\x66\x8e\x33\xef\0\x01\0\x01\0\0\0\0\0\0\0\x07\0\0\0\x0b\0\0\0\0\0\0\x10\0";
        assert_eq!(reply.head(), head);
        assert_eq!(&reply.body()[..], b"abc");
    }

    #[test]
    fn a_status_names_its_context_and_tiles_the_range() {
        let runs = descriptors([(4096, true), (8192, false)]);
        let reply = Replies::new(true).status(7, runs);
        let head = b"\x66\x8e\x33\xef\0\x01\0\x05\0\0\0\0\0\0\0\x07\0\0\0\x14\0\0\0\x01";
        assert_eq!(reply.head(), head);
        assert_eq!(reply.body()[..], *b"\0\0\x10\0\0\0\0\x03\0\0\x20\0\0\0\0\0");
    }

    #[test]
    fn a_long_sentence_is_cut() {
        let failure = Failure {
            error: NbdError::Io,
            sentence: "x".repeat(5000).into(),
        };
        let reply = Replies::new(true).error(7, failure);
        assert_eq!(reply.body().len(), 4096);
        assert_eq!(reply.head()[24..26], 4096_u16.to_be_bytes());
    }

    #[test]
    fn a_structured_error_says_its_number_and_a_sentence() {
        let reply = Replies::new(true).error(7, NbdError::Invalid);
        let length = reply.body().len() as u16;
        assert_eq!(&reply.head()[4..8], b"\0\x01\x80\x01");
        assert_eq!(reply.head()[16..20], (u32::from(length) + 6).to_be_bytes());
        assert_eq!(reply.head()[20..24], 22_u32.to_be_bytes());
        assert_eq!(reply.head()[24..26], length.to_be_bytes());
    }
}
