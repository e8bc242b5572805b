use bytes::Bytes;

use crate::NbdError;
use crate::wire::{SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, chunk};

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

    /// The request failed.
    pub fn error(self, cookie: u64, error: NbdError) -> Reply {
        if !self.structured {
            return simple(cookie, error.to_wire(), Bytes::new());
        }
        let sentence = error.sentence();
        let body = Bytes::from_static(sentence.as_bytes());
        last_chunk(cookie, chunk::ERROR, 6 + sentence.len(), body)
            .put(&error.to_wire().to_be_bytes())
            .put(&(sentence.len() as u16).to_be_bytes())
    }
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
    fn a_structured_error_says_its_number_and_a_sentence() {
        let reply = Replies::new(true).error(7, NbdError::Invalid);
        let length = reply.body().len() as u16;
        assert_eq!(&reply.head()[4..8], b"\0\x01\x80\x01");
        assert_eq!(reply.head()[16..20], (u32::from(length) + 6).to_be_bytes());
        assert_eq!(reply.head()[20..24], 22_u32.to_be_bytes());
        assert_eq!(reply.head()[24..26], length.to_be_bytes());
    }
}
