//! The writing end of the log (B2).

use std::sync::Arc;

use volumed_client::{BlockDevice, DeviceError, Durability};

use crate::format::group::{Builder, Link};
use crate::format::layout::SEGMENT;
use crate::log::position::Position;
use crate::object::Timestamp;
use crate::rules::{Rule, kept};
use crate::space::allocator::Space;

/// The writing end of the log.
pub struct Log {
    device: Arc<dyn BlockDevice>,
    space: Arc<Space>,
    epoch: u64,
    position: Position,
    /// What is left of the segment behind `position.address`. Counted, not told from addresses: the
    /// next segment may begin just where this one ends.
    room: u64,
}

impl Log {
    /// Goes on behind `position`. The segment's end is not kept: what is left of it is given up.
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
            position,
            room: 0,
        }
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// Where the next group would begin.
    pub fn next_address(&self) -> u64 {
        if self.room > 0 {
            self.position.address
        } else {
            self.position.next_segment
        }
    }

    /// Whether a group of `length` bytes fits where the next one would begin.
    pub fn fits(&self, length: u64) -> bool {
        self.room == 0 || length <= self.room
    }

    /// Gives up what is left of the segment: the next group begins in the one taken ahead.
    pub fn skip_segment(&mut self) {
        self.room = 0;
    }

    /// Writes a group where [`Log::next_address`] said. When this returns, it is durable; when it
    /// fails, the log stands where it stood.
    pub async fn write(&mut self, group: Builder, time: Timestamp) -> Result<(), DeviceError> {
        let address = self.next_address();
        let (room, next_segment) = match self.room {
            0 => (SEGMENT, self.space.allocate_segment().await?),
            room => (room, self.position.next_segment),
        };
        let link = Link {
            sequence: self.position.sequence + 1,
            first_record: self.position.next_record,
            previous_crc: self.position.crc,
            epoch: self.epoch,
            time: time.0,
            next_segment,
        };
        let next_record = link.first_record + u64::from(group.records());
        let length = group.length();
        assert!(length <= room, "a group must end within its segment");
        let (pieces, crc) = group.finish(&link);
        let durability = if kept(Rule::GroupBeforeAnswer) {
            Durability::Durable
        } else {
            Durability::Volatile
        };
        self.device.write(address, &pieces, durability).await?;
        self.position = Position {
            sequence: link.sequence,
            next_record,
            address: address + length,
            next_segment,
            floor: self.position.floor,
            crc,
        };
        self.room = room - length;
        Ok(())
    }
}
