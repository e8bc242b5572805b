//! The log: groups in segments, written one after the other, and read back at open (B2, B4).

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use volumed_client::{BlockDevice, DeviceError, Durability};

use crate::crc::crc32c;
use crate::group::{Builder, Group, HEADER, Link, Start, start};
use crate::layout::{BLOCK, SEGMENT};
use crate::object::Timestamp;
use crate::requests::OpenError;
use crate::space::Space;

/// Where the log goes on behind a group; kept in redb with the rows of all groups up to it.
///
/// Stored in 56 bytes, little-endian: version (u32, 1), CRC32C with this field zero (u32), group
/// sequence, next record's sequence, address, next segment, floor (u64 each), CRC of the last
/// group (u32), zero (u32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence number of the last group.
    pub sequence: u64,
    /// Sequence number of the next record.
    pub next_record: u64,
    /// Where the next group begins if it fits there.
    pub address: u64,
    /// Where it begins otherwise.
    pub next_segment: u64,
    /// Below it a crash leaves nothing that nobody names (B8).
    pub floor: u64,
    /// CRC of the last group.
    pub crc: u32,
}

impl Position {
    const LENGTH: usize = 56;
    const VERSION: u32 = 1;

    pub fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(Self::LENGTH);
        row.put_u32_le(Self::VERSION);
        row.put_u32_le(0);
        for word in [
            self.sequence,
            self.next_record,
            self.address,
            self.next_segment,
            self.floor,
        ] {
            row.put_u64_le(word);
        }
        row.put_u32_le(self.crc);
        row.put_u32_le(0);
        let crc = crc32c(&row);
        row[4..8].copy_from_slice(&crc.to_le_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Option<Self> {
        if row.len() != Self::LENGTH {
            return None;
        }
        let mut summed = BytesMut::from(row);
        summed[4..8].fill(0);
        let crc = crc32c(&summed);
        let mut rest = row;
        if rest.get_u32_le() != Self::VERSION || rest.get_u32_le() != crc {
            return None;
        }
        Some(Self {
            sequence: rest.get_u64_le(),
            next_record: rest.get_u64_le(),
            address: rest.get_u64_le(),
            next_segment: rest.get_u64_le(),
            floor: rest.get_u64_le(),
            crc: rest.get_u32_le(),
        })
    }

    fn behind(&self, group: &Group, address: u64) -> Self {
        Self {
            sequence: group.link.sequence,
            next_record: group.link.first_record + group.records.len() as u64,
            address: address + group.length,
            next_segment: group.link.next_segment,
            floor: self.floor,
            crc: group.crc,
        }
    }

    fn fits(&self, group: &Group, epoch: u64) -> bool {
        group.link.sequence == self.sequence + 1
            && group.link.first_record == self.next_record
            && group.link.previous_crc == self.crc
            && group.link.epoch <= epoch
    }
}

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
            0 => (SEGMENT, self.space.allocate(SEGMENT).await?),
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
        self.device
            .write(address, &pieces, Durability::Durable)
            .await?;
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

/// Reads the groups behind `position` up to the first that does not fit the chain (B4), hands
/// each with its address to `apply`, and writes the last one again, durably: it may have been in flight, and what
/// is served from now on must not vanish with the power. Answers where the log goes on.
pub async fn replay(
    device: &Arc<dyn BlockDevice>,
    mut position: Position,
    epoch: u64,
    mut apply: impl FnMut(u64, &Group),
) -> Result<Position, OpenError> {
    let mut last = None;
    while let Some((address, bytes, group)) = next_group(device, &position, epoch).await? {
        apply(address, &group);
        position = position.behind(&group, address);
        last = Some((address, bytes));
    }
    if let Some((address, bytes)) = last {
        device.write(address, &[bytes], Durability::Durable).await?;
    }
    Ok(position)
}

async fn next_group(
    device: &Arc<dyn BlockDevice>,
    position: &Position,
    epoch: u64,
) -> Result<Option<(u64, Bytes, Group)>, OpenError> {
    for address in [position.address, position.next_segment] {
        let header = device.read(address, BLOCK as usize).await?;
        let length = match start(&header[..HEADER]) {
            Start::Group(length) => length,
            Start::Nothing => continue,
            Start::Version(found) => return Err(OpenError::Version { found, known: 1 }),
        };
        let bytes = device.read(address, length as usize).await?;
        if let Some(group) = Group::decode(&bytes).filter(|group| position.fits(group, epoch)) {
            return Ok(Some((address, bytes, group)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_and_damage_is_seen() {
        let position = Position {
            sequence: 5,
            next_record: 77,
            address: 1 << 50,
            next_segment: 2,
            floor: 3,
            crc: 9,
        };
        let row = position.encode();
        assert_eq!(row.len(), Position::LENGTH);
        assert_eq!(Position::decode(&row), Some(position));
        for bit in 0..row.len() * 8 {
            let mut damaged = row.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Position::decode(&damaged), None, "bit {bit}");
        }
    }
}
