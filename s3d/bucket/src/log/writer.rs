//! The writing end of the log (B2).

use std::sync::Arc;

use bytes::Bytes;
use volumed_client::{BlockDevice, DeviceError, Durability};

use crate::format::group::{Builder, Link};
use crate::format::layout::{SEGMENT, ZEROES};
use crate::log::position::Position;
use crate::object::Timestamp;
use crate::rules::{Rule, kept};
use crate::space::allocator::Space;

/// A group of one record that is no longer than this takes zeroes along …
const SHORT_GROUP: u64 = 16 << 10;

/// … up to the next multiple of this address. A durable write into a hole costs the disk's file system
/// a commit of its journal; one over zeroes does not, so that of many short groups few pay for it.
const STRETCH: u64 = 64 << 10;

/// The writing end of the log.
pub struct Log {
    device: Arc<dyn BlockDevice>,
    space: Arc<Space>,
    epoch: u64,
    end: LogEnd,
    /// Where the zeroes end that the last group took along.
    zeroed: u64,
}

/// Where the log ends, once the groups so far are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    pub position: Position,
    /// What is left of the segment behind `position.address`. Counted, not told from addresses: the
    /// next segment may begin just where this one ends.
    room: u64,
}

impl LogEnd {
    /// Behind `position`. The segment's end is not kept: what is left of it is given up.
    pub fn opened(position: Position) -> Self {
        Self { position, room: 0 }
    }
}

/// A group that has its place in the log.
pub struct PlacedGroup {
    device: Arc<dyn BlockDevice>,
    address: u64,
    pieces: Vec<Bytes>,
    /// How many zeroes follow it.
    zeroes: usize,
}

impl PlacedGroup {
    /// Whether it is written over where the next group begins, which may be written only when this
    /// one is answered: a write that is repeated on a new connection would undo it.
    pub fn reaches_next(&self) -> bool {
        self.zeroes > 0
    }

    /// Writes it. When this returns, it is durable; a replay reaches it once all before it are, too.
    pub async fn write(mut self) -> Result<(), DeviceError> {
        let group = self.pieces.len();
        self.pieces.extend(zeroes(self.zeroes));
        match self.write_pieces(self.pieces.len()).await {
            Err(DeviceError::NoSpace) if self.zeroes > 0 => self.write_pieces(group).await,
            written => written,
        }
    }

    async fn write_pieces(&self, count: usize) -> Result<(), DeviceError> {
        let durability = if kept(Rule::GroupBeforeAnswer) {
            Durability::Durable
        } else {
            Durability::Volatile
        };
        self.device
            .write(self.address, &self.pieces[..count], durability)
            .await
    }
}

fn zeroes(mut length: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = length.min(ZEROES.len());
        length -= piece;
        (piece > 0).then(|| Bytes::from_static(&ZEROES[..piece]))
    })
}

impl Log {
    pub fn new(
        device: Arc<dyn BlockDevice>,
        space: Arc<Space>,
        epoch: u64,
        position: Position,
    ) -> Self {
        Self {
            device,
            space,
            epoch,
            end: LogEnd::opened(position),
            zeroed: 0,
        }
    }

    /// Where the log ends behind every group that has a place, durable or not.
    pub fn end(&self) -> LogEnd {
        self.end
    }

    /// Forgets the groups behind `end`: none of them became part of the log.
    pub fn rewind(&mut self, end: LogEnd) {
        self.end = end;
    }

    /// Where the next group would begin.
    pub fn next_address(&self) -> u64 {
        if self.end.room > 0 {
            self.end.position.address
        } else {
            self.end.position.next_segment
        }
    }

    /// How long a group may be that begins there, in bytes.
    pub fn room(&self) -> u64 {
        match self.end.room {
            0 => SEGMENT,
            room => room,
        }
    }

    /// Gives up what is left of the segment: the next group begins in the one taken ahead.
    pub fn skip_segment(&mut self) {
        self.end.room = 0;
    }

    /// Gives a group its place, where [`Log::next_address`] said. When this fails, the log ends where
    /// it ended. `alone`: no other group is on its way.
    pub async fn place(
        &mut self,
        group: Builder,
        time: Timestamp,
        alone: bool,
    ) -> Result<PlacedGroup, DeviceError> {
        let address = self.next_address();
        let LogEnd { position, room } = self.end;
        let (room, next_segment) = match room {
            0 => (SEGMENT, self.space.allocate_segment().await?),
            room => (room, position.next_segment),
        };
        let link = Link {
            sequence: position.sequence + 1,
            first_record: position.next_record,
            previous_crc: position.crc,
            epoch: self.epoch,
            time: time.0,
            next_segment,
        };
        let next_record = link.first_record + u64::from(group.records());
        let length = group.length();
        let short = group.records() == 1 && length <= SHORT_GROUP;
        assert!(length <= room, "a group must end within its segment");
        let (pieces, crc) = group.finish(&link);
        let end = address + length;
        self.end = LogEnd {
            position: Position {
                sequence: link.sequence,
                next_record,
                address: end,
                next_segment,
                floor: position.floor,
                crc,
            },
            room: room - length,
        };
        let zeroes = if alone && short && end > self.zeroed {
            self.zeroed = end.next_multiple_of(STRETCH);
            self.zeroed - end
        } else {
            0
        };
        Ok(PlacedGroup {
            device: self.device.clone(),
            address,
            pieces,
            zeroes: zeroes as usize,
        })
    }
}
