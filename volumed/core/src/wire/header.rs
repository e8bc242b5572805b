//! What every frame begins with.

use bytes::{Buf, Bytes};

use crate::message::{Answer, Message, OpId};
use crate::{DiskNumber, Epoch, Incarnation, VolumeId};

use super::read::{Content, content};
use super::{Frame, Kind, MAX_BODY, VERSION, WireError};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 42;

/// The header of a frame that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub(super) length: usize,
    pub(super) kind: Kind,
    pub(super) volume: VolumeId,
    pub(super) disk: DiskNumber,
    pub(super) incarnation: Incarnation,
    pub(super) epoch: Epoch,
    pub(super) op: OpId,
}

impl Header {
    /// Reads a header; refuses one whose body would not be understood, or would be longer than any.
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Result<Self, WireError> {
        let mut bytes = &bytes[..];
        let (length, version, kind) = (
            bytes.try_get_u32_le()?,
            bytes.try_get_u16_le()?,
            bytes.try_get_u16_le()?,
        );
        match version {
            0 => return Err(WireError::Damaged),
            VERSION => {}
            found => {
                let known = VERSION;
                return Err(WireError::Newer { found, known });
            }
        }
        let kind = Kind::numbered(kind).ok_or(WireError::UnknownKind(kind))?;
        if length as usize > MAX_BODY {
            return Err(WireError::TooLong(length));
        }
        Ok(Self {
            length: length as usize,
            kind,
            volume: VolumeId(bytes.try_get_u64_le()?),
            disk: DiskNumber(bytes.try_get_u16_le()?),
            incarnation: Incarnation(bytes.try_get_u64_le()?),
            epoch: Epoch(bytes.try_get_u64_le()?),
            op: OpId(bytes.try_get_u64_le()?),
        })
    }

    /// How many bytes the body has, at most [`MAX_BODY`].
    pub fn body_length(&self) -> usize {
        self.length
    }

    /// Reads the body; data in it is not copied.
    pub fn frame(self, body: Bytes) -> Result<Frame, WireError> {
        let Self {
            length,
            kind,
            volume,
            disk,
            incarnation,
            epoch,
            op,
        } = self;
        if body.len() != length {
            return Err(WireError::Damaged);
        }
        Ok(match content(kind, body)? {
            Content::Ask(ask) => Frame::Message(Message {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                ask,
            }),
            Content::Result {
                allocated,
                granted,
                result,
            } => Frame::Answer(Answer {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                allocated,
                granted,
                result,
            }),
        })
    }

    pub(super) fn of_message(message: &Message, length: usize) -> Self {
        let &Message {
            volume,
            disk,
            incarnation,
            epoch,
            op,
            ref ask,
        } = message;
        Self {
            length,
            kind: Kind::of_ask(ask),
            volume,
            disk,
            incarnation,
            epoch,
            op,
        }
    }

    pub(super) fn of_answer(answer: &Answer, length: usize) -> Self {
        let &Answer {
            volume,
            disk,
            incarnation,
            epoch,
            op,
            ref result,
            ..
        } = answer;
        Self {
            length,
            kind: Kind::of_result(result),
            volume,
            disk,
            incarnation,
            epoch,
            op,
        }
    }

    pub(super) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[0..4].copy_from_slice(&(self.length as u32).to_le_bytes());
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&(self.kind as u16).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.volume.0.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.disk.0.to_le_bytes());
        bytes[18..26].copy_from_slice(&self.incarnation.0.to_le_bytes());
        bytes[26..34].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[34..42].copy_from_slice(&self.op.0.to_le_bytes());
        bytes
    }
}
