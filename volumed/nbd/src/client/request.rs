use bytes::BufMut;

pub use crate::wire::REQUEST_LENGTH;
use crate::wire::{REQUEST_MAGIC, command, command_flag};

/// A request's header. Offsets and lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    Read {
        offset: u64,
        length: u32,
    },
    /// Its payload follows the header.
    Write {
        offset: u64,
        length: u32,
        fua: bool,
    },
    Flush,
    Trim {
        offset: u64,
        length: u32,
    },
    /// No answer comes.
    Disconnect,
}

/// A request's header as it goes over the wire.
pub fn encode(cookie: u64, request: Request) -> [u8; REQUEST_LENGTH] {
    let fua_flag = |fua| if fua { command_flag::FUA } else { 0 };
    let (kind, flags, offset, length) = match request {
        Request::Read { offset, length } => (command::READ, 0, offset, length),
        Request::Write {
            offset,
            length,
            fua,
        } => (command::WRITE, fua_flag(fua), offset, length),
        Request::Flush => (command::FLUSH, 0, 0, 0),
        Request::Trim { offset, length } => (command::TRIM, 0, offset, length),
        Request::Disconnect => (command::DISCONNECT, 0, 0, 0),
    };
    let mut bytes = [0; REQUEST_LENGTH];
    let mut room = &mut bytes[..];
    room.put_u32(REQUEST_MAGIC);
    room.put_u16(flags);
    room.put_u16(kind);
    room.put_u64(cookie);
    room.put_u64(offset);
    room.put_u32(length);
    bytes
}
