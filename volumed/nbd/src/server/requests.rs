use bytes::{Buf, Bytes, BytesMut};

use super::replies::{Replies, Reply};
use crate::limits::MAX_PAYLOAD;
use crate::room::Room;
use crate::wire::{REQUEST_LENGTH, REQUEST_MAGIC, command, command_flag, transmission_flag};
use crate::{NbdError, Violation};

/// What the server can do; DF goes with structured replies.
pub(super) fn transmission_flags(structured: bool) -> u16 {
    let always = transmission_flag::HAS_FLAGS
        | transmission_flag::SEND_FLUSH
        | transmission_flag::SEND_FUA
        | transmission_flag::SEND_TRIM
        | transmission_flag::SEND_WRITE_ZEROES
        | transmission_flag::CAN_MULTI_CONN
        | transmission_flag::SEND_CACHE
        | transmission_flag::SEND_FAST_ZERO;
    always
        | if structured {
            transmission_flag::SEND_DF
        } else {
            0
        }
}

/// What the handshake settled for the requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    pub structured: bool,
    /// BLOCK_STATUS may be asked, for `base:allocation`.
    pub status: bool,
}

/// The transmission phase as the server sees it: bytes in, requests out.
///
/// A request that comes out lies within the export, carries at least one byte where it has a
/// length, and no flag that its command does not know.
#[derive(Debug)]
pub struct Requests {
    size: u64,
    agreed: Agreed,
    input: BytesMut,
    room: Room,
    output: BytesMut,
    pending: Option<Pending>,
}

/// What came in.
#[derive(Debug)]
pub enum Event {
    /// To be done, and answered under its cookie.
    Request {
        /// The client's name for it.
        cookie: u64,
        /// What to do.
        command: Command,
    },
    /// Was answered without anything to do: send this.
    Answered(Reply),
    /// The client wants no more: answer what is in flight and close.
    Disconnect,
}

/// What a client can ask for. Offsets and lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Read {
        offset: u64,
        length: u32,
    },
    /// With `fua`, answer when it would survive a power cut.
    Write {
        offset: u64,
        data: Bytes,
        fua: bool,
    },
    /// Everything answered before it shall survive a power cut.
    Flush,
    /// The bytes may be forgotten.
    Trim {
        offset: u64,
        length: u32,
        fua: bool,
    },
    /// The bytes shall read zero; with `no_hole`, their space stays reserved.
    WriteZeroes {
        offset: u64,
        length: u32,
        fua: bool,
        no_hole: bool,
    },
    /// The bytes will be read soon.
    Cache {
        offset: u64,
        length: u32,
    },
    /// Which bytes are holes, from the first on; with `one`, the first run suffices.
    BlockStatus {
        offset: u64,
        length: u32,
        one: bool,
    },
}

/// A WRITE whose header was taken and whose payload is still to come.
#[derive(Debug)]
enum Pending {
    Write {
        header: Header,
    },
    /// The payload of a WRITE that was answered with an error.
    Draining {
        left: u32,
        answer: Reply,
    },
}

#[derive(Debug, Clone, Copy)]
struct Header {
    flags: u16,
    kind: u16,
    cookie: u64,
    offset: u64,
    length: u32,
}

impl Header {
    fn fua(&self) -> bool {
        self.flags & command_flag::FUA != 0
    }

    fn no_hole(&self) -> bool {
        self.flags & command_flag::NO_HOLE != 0
    }
}

impl Requests {
    pub(super) fn new(size: u64, agreed: Agreed, input: BytesMut, output: BytesMut) -> Self {
        Self {
            size,
            agreed,
            input,
            room: Room::new(),
            output,
            pending: None,
        }
    }

    /// What the handshake left to send; goes before any reply.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// The export has this size from now on: it grew.
    pub fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    /// How to answer.
    pub fn replies(&self) -> Replies {
        Replies::new(self.agreed.structured)
    }

    /// The length in bytes of the payload that is on its way, for which the next [`Self::input`] has
    /// room; 0 if there is none.
    pub fn payload_due(&self) -> u32 {
        match &self.pending {
            Some(Pending::Write { header }) => header.length,
            _ => 0,
        }
    }

    /// Where to put what the client sent. Has room for the whole payload that is on its way, so
    /// that a large one is received where it stays.
    pub fn input(&mut self) -> &mut BytesMut {
        let missing = (self.payload_due() as usize).saturating_sub(self.input.len());
        self.room.make(&mut self.input, missing);
        &mut self.input
    }

    /// The next thing that came in whole; `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Result<Option<Event>, Violation> {
        loop {
            match self.pending.take() {
                Some(Pending::Write { header }) => {
                    if self.input.len() < header.length as usize {
                        self.pending = Some(Pending::Write { header });
                        return Ok(None);
                    }
                    let data = self.input.split_to(header.length as usize).freeze();
                    let command = Command::Write {
                        offset: header.offset,
                        data,
                        fua: header.fua(),
                    };
                    return Ok(Some(Event::Request {
                        cookie: header.cookie,
                        command,
                    }));
                }
                Some(Pending::Draining { left, answer }) => {
                    let now = self.input.len().min(left as usize);
                    self.input.advance(now);
                    let left = left - now as u32;
                    if left == 0 {
                        return Ok(Some(Event::Answered(answer)));
                    }
                    self.pending = Some(Pending::Draining { left, answer });
                    return Ok(None);
                }
                None => {
                    let Some(header) = self.take_header()? else {
                        return Ok(None);
                    };
                    if let Some(event) = self.start(header) {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    fn take_header(&mut self) -> Result<Option<Header>, Violation> {
        let mut bytes = &self.input[..];
        if bytes.len() < REQUEST_LENGTH {
            return Ok(None);
        }
        if bytes.get_u32() != REQUEST_MAGIC {
            return Err(Violation::Magic);
        }
        let header = Header {
            flags: bytes.get_u16(),
            kind: bytes.get_u16(),
            cookie: bytes.get_u64(),
            offset: bytes.get_u64(),
            length: bytes.get_u32(),
        };
        self.input.advance(REQUEST_LENGTH);
        Ok(Some(header))
    }

    /// Judges a header. `None` when its payload must be waited for or thrown away first.
    fn start(&mut self, header: Header) -> Option<Event> {
        let Header {
            kind,
            cookie,
            offset,
            length,
            ..
        } = header;
        if kind == command::DISCONNECT {
            return Some(Event::Disconnect);
        }
        let verdict = self.judge(&header);
        if kind == command::WRITE && length > 0 {
            self.pending = Some(match verdict {
                Ok(()) => Pending::Write { header },
                Err(error) => {
                    let answer = self.replies().error(cookie, error);
                    Pending::Draining {
                        left: length,
                        answer,
                    }
                }
            });
            return None;
        }
        if let Err(error) = verdict {
            return Some(Event::Answered(self.replies().error(cookie, error)));
        }
        let (fua, no_hole) = (header.fua(), header.no_hole());
        let command = match kind {
            command::FLUSH => Command::Flush,
            command::READ if length == 0 => {
                return Some(Event::Answered(self.replies().data(
                    cookie,
                    offset,
                    Bytes::new(),
                )));
            }
            _ if length == 0 => return Some(Event::Answered(self.replies().done(cookie))),
            command::READ => Command::Read { offset, length },
            command::TRIM => Command::Trim {
                offset,
                length,
                fua,
            },
            command::CACHE => Command::Cache { offset, length },
            command::BLOCK_STATUS => Command::BlockStatus {
                offset,
                length,
                one: header.flags & command_flag::REQ_ONE != 0,
            },
            _ => Command::WriteZeroes {
                offset,
                length,
                fua,
                no_hole,
            },
        };
        Some(Event::Request { cookie, command })
    }

    fn judge(&self, header: &Header) -> Result<(), NbdError> {
        let allowed = match header.kind {
            command::READ if self.agreed.structured => command_flag::DF,
            // It knows no answer for no bytes.
            command::BLOCK_STATUS if self.agreed.status && header.length > 0 => {
                command_flag::REQ_ONE
            }
            command::WRITE_ZEROES => command_flag::NO_HOLE | command_flag::FAST_ZERO,
            command::READ | command::WRITE | command::FLUSH | command::TRIM | command::CACHE => 0,
            _ => return Err(NbdError::Invalid),
        };
        if header.flags & !(allowed | command_flag::FUA) != 0 {
            return Err(NbdError::Invalid);
        }
        if header.kind == command::FLUSH {
            let plain = header.offset == 0 && header.length == 0;
            return if plain {
                Ok(())
            } else {
                Err(NbdError::Invalid)
            };
        }
        let carries = matches!(header.kind, command::READ | command::WRITE);
        if carries && header.length > MAX_PAYLOAD {
            return Err(NbdError::Overflow);
        }
        let end = header.offset.checked_add(u64::from(header.length));
        if end.is_none_or(|end| end > self.size) {
            let writes = matches!(header.kind, command::WRITE | command::WRITE_ZEROES);
            return Err(if writes {
                NbdError::NoSpace
            } else {
                NbdError::Invalid
            });
        }
        // Zeroes are fast only as a hole.
        if header.flags & command_flag::FAST_ZERO != 0 && header.no_hole() {
            return Err(NbdError::Unsupported);
        }
        Ok(())
    }
}
