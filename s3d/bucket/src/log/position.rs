//! Where the log goes on: a row of the index.

use bytes::{Buf, BufMut, BytesMut};

use crate::format::crc::crc32c;
use crate::format::group::Group;
use crate::format::superblock::POSITION;

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
    const LENGTH: usize = POSITION;
    const VERSION: u32 = 1;

    pub fn encode(&self) -> [u8; POSITION] {
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
        row.try_into().expect("as long as it is said to be")
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

    pub fn behind(&self, group: &Group, address: u64) -> Self {
        Self {
            sequence: group.link.sequence,
            next_record: group.link.first_record + group.records.len() as u64,
            address: address + group.length,
            next_segment: group.link.next_segment,
            floor: self.floor,
            crc: group.crc,
        }
    }

    pub fn fits(&self, group: &Group, epoch: u64) -> bool {
        group.link.sequence == self.sequence + 1
            && group.link.first_record == self.next_record
            && group.link.previous_crc == self.crc
            && group.link.epoch <= epoch
    }
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
            let mut damaged = row;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Position::decode(&damaged), None, "bit {bit}");
        }
    }
}
