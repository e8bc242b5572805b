use bytes::{Buf, Bytes, BytesMut};

use crate::room::Room;
use crate::wire::{SIMPLE_REPLY_LENGTH, SIMPLE_REPLY_MAGIC};
use crate::{NbdError, Violation};

/// The transmission phase as the client sees it: bytes in, answers out.
#[derive(Debug)]
pub struct Replies {
    input: BytesMut,
    room: Room,
    pending: Option<Pending>,
}

/// What a request was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request's name.
    pub cookie: u64,
    /// What was read (nothing for other requests), or why not.
    pub result: Result<Bytes, NbdError>,
}

/// A reply whose data is still to come.
#[derive(Debug, Clone, Copy)]
struct Pending {
    cookie: u64,
    length: usize,
}

impl Replies {
    pub(super) fn new(input: BytesMut) -> Self {
        Self {
            input,
            room: Room::new(),
            pending: None,
        }
    }

    /// Where to put what the server sent. Has room for all the data that is on its way, so that
    /// a large answer is received where it stays.
    pub fn input(&mut self) -> &mut BytesMut {
        let expected = self.pending.map_or(0, |pending| pending.length);
        let missing = expected.saturating_sub(self.input.len());
        self.room.make(&mut self.input, missing);
        &mut self.input
    }

    /// The next answer that came in whole; `None` when more bytes are needed. `expected` tells,
    /// for the cookie of a request in flight, how many bytes a good answer carries.
    pub fn next_answer(
        &mut self,
        expected: impl Fn(u64) -> Option<usize>,
    ) -> Result<Option<Answer>, Violation> {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => match self.take_header(expected)? {
                None => return Ok(None),
                Some((cookie, Err(error))) => {
                    return Ok(Some(Answer {
                        cookie,
                        result: Err(error),
                    }));
                }
                Some((cookie, Ok(length))) => Pending { cookie, length },
            },
        };
        if self.input.len() < pending.length {
            self.pending = Some(pending);
            return Ok(None);
        }
        let data = self.input.split_to(pending.length).freeze();
        Ok(Some(Answer {
            cookie: pending.cookie,
            result: Ok(data),
        }))
    }

    #[allow(clippy::type_complexity)]
    fn take_header(
        &mut self,
        expected: impl Fn(u64) -> Option<usize>,
    ) -> Result<Option<(u64, Result<usize, NbdError>)>, Violation> {
        let mut bytes = &self.input[..];
        if bytes.len() < SIMPLE_REPLY_LENGTH {
            return Ok(None);
        }
        if bytes.get_u32() != SIMPLE_REPLY_MAGIC {
            return Err(Violation::Magic);
        }
        let (error, cookie) = (bytes.get_u32(), bytes.get_u64());
        let length = expected(cookie).ok_or(Violation::UnknownCookie)?;
        self.input.advance(SIMPLE_REPLY_LENGTH);
        let result = if error == 0 {
            Ok(length)
        } else {
            Err(NbdError::from_wire(error))
        };
        Ok(Some((cookie, result)))
    }
}
