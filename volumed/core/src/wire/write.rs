//! Frames become bytes.

use bytes::{BufMut, Bytes};

use crate::message::{Answer, Ask, ExtentFile, Message};
use crate::missed;

use super::kind::refusal_number;
use super::{Encoded, Frame, HEADER_SIZE, Header, MAX_BODY};

/// In place of the first extent that a next message tells of: there is none.
pub(super) const NO_EXTENT: u64 = u64::MAX;

/// The bit of a flag that a write and a zero share.
pub(super) const DURABLE: u8 = 1;
/// Of a write.
pub(super) const CLEAR: u8 = 2;
/// Of a zero.
pub(super) const KEEP: u8 = 2;
/// Of files that are made.
pub(super) const MISSING: u8 = 1;

impl Frame {
    /// The frame as bytes. What it holds keeps the bounds of [`crate::message`].
    pub fn encode(&self) -> Encoded {
        // The body goes behind the header, which has its length.
        let mut head = vec![0; HEADER_SIZE];
        let data = match self {
            Self::Message(Message { ask, .. }) => write_ask(ask, &mut head),
            Self::Answer(answer) => write_result(answer, &mut head),
        };
        let length = head.len() - HEADER_SIZE + data.len();
        debug_assert!(length <= MAX_BODY, "{length}");
        let header = match self {
            Self::Message(message) => Header::of_message(message, length),
            Self::Answer(answer) => Header::of_answer(answer, length),
        };
        head[..HEADER_SIZE].copy_from_slice(&header.encode());
        Encoded { head, data }
    }
}

/// Answers the data that follows.
fn write_ask(ask: &Ask, body: &mut Vec<u8>) -> Bytes {
    match ask {
        Ask::Promise | Ask::Empty | Ask::Missed => {}
        &Ask::Grant { least, most } => {
            body.put_u64_le(least);
            body.put_u64_le(most);
        }
        &Ask::GiveBack { blocks } => body.put_u64_le(blocks),
        Ask::Reconcile { from, until, held } => {
            body.put_u64_le(from.0);
            body.put_u64_le(until.map_or(NO_EXTENT, |until| until.0));
            for &file in held {
                put_file(file, body);
            }
        }
        Ask::Read { .. }
        | Ask::Map { .. }
        | Ask::Holes { .. }
        | Ask::Fetch { .. }
        | Ask::Digest { .. } => put_part_of(ask, body),
        &Ask::Write {
            file,
            offset,
            ref data,
            durable,
            clear,
        } => {
            put_file(file, body);
            body.put_u32_le(offset);
            body.put_u8(flags([(durable, DURABLE), (clear, CLEAR)]));
            return data.clone();
        }
        &Ask::Zero {
            file,
            offset,
            length,
            durable,
            keep,
        } => {
            put_part(file, (offset, length), body);
            body.put_u8(flags([(durable, DURABLE), (keep, KEEP)]));
        }
        Ask::Store { chunk, .. } | Ask::Replace { chunk, .. } => {
            put_part_of(ask, body);
            return chunk.clone();
        }
        Ask::Sync { extents } => extents.iter().for_each(|it| body.put_u64_le(it.0)),
        Ask::Mark { regions } | Ask::Settle { regions } | Ask::Unmark { regions } => {
            for region in regions {
                body.put_u64_le(region.0);
            }
        }
        &Ask::Adopt { file } | &Ask::Remove { file } | &Ask::Receive { file } => {
            put_file(file, body);
        }
        Ask::KeepMissed { missed } => body.extend(missed::pack(missed)),
        Ask::Create { files, missing } => {
            body.put_u8(flags([(*missing, MISSING)]));
            for &file in files {
                put_file(file, body);
            }
        }
    }
    Bytes::new()
}

fn write_result(answer: &Answer, body: &mut Vec<u8>) -> Bytes {
    body.put_u64_le(answer.allocated);
    body.put_u64_le(answer.granted);
    match &answer.result {
        Ok(data) => data.clone(),
        Err(refusal) => {
            body.put_u8(refusal_number(*refusal));
            Bytes::new()
        }
    }
}

/// The part of an extent that an ask is about, if it is about one.
fn put_part_of(ask: &Ask, body: &mut Vec<u8>) {
    if let Some((file, offset, length)) = ask.part() {
        put_part(file, (offset, length), body);
    }
}

fn put_part(file: ExtentFile, (offset, length): (u32, u32), body: &mut Vec<u8>) {
    put_file(file, body);
    body.put_u32_le(offset);
    body.put_u32_le(length);
}

fn put_file(file: ExtentFile, body: &mut Vec<u8>) {
    body.put_u64_le(file.extent.0);
    body.put_u64_le(file.alloc.0);
}

fn flags<const N: usize>(set: [(bool, u8); N]) -> u8 {
    set.into_iter()
        .filter(|(is_set, _)| *is_set)
        .fold(0, |flags, (_, bit)| flags | bit)
}
