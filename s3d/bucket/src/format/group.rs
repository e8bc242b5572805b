//! A group: the unit of the log, written with one durable write (§6.1 of the design).
//!
//! Header (128 bytes), small bodies, records, zeroes up to a whole block. Bodies begin on a block where
//! that spares one; the records lie in a gap that this leaves, if one holds them: a group of one body of
//! 4 KiB has two blocks so, not three. Integers are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `HRLG` |
//! | 4 | 4 | format version, 1 |
//! | 8 | 4 | CRC32C of the whole group with this field zero |
//! | 12 | 4 | that CRC of the group before; 0 for the first |
//! | 16 | 8 | sequence number of the group; the first is 1 |
//! | 24 | 8 | sequence number of the first record: the bucket's change feed |
//! | 32 | 8 | epoch of the owner that wrote it |
//! | 40 | 8 | time, ms since 1970 |
//! | 48 | 8 | address of the next segment, taken ahead |
//! | 56 | 4 | length of the group, a multiple of 4096 |
//! | 60 | 4 | where the records begin |
//! | 64 | 4 | length of the records |
//! | 68 | 4 | number of records |
//! | 72 | 56 | zero |
//!
//! A record is a u32 count and that many mutations: table (u8), key length (u16), value length
//! (u32, all ones when the row goes), key, value.

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::format::crc::crc32c_of_pieces;
use crate::format::layout::{BLOCK, SEGMENT, ZEROES, whole_blocks};
use crate::format::rows::{Mutation, Table};

const MAGIC: &[u8; 4] = b"HRLG";
const VERSION: u32 = 1;
pub const HEADER: usize = 128;
const REMOVED: u32 = u32::MAX;

/// What binds a group to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub sequence: u64,
    pub first_record: u64,
    pub previous_crc: u32,
    pub epoch: u64,
    pub time: u64,
    pub next_segment: u64,
}

/// Collects small bodies and records for one group.
#[derive(Debug)]
pub struct Builder {
    bodies: Vec<(usize, Bytes)>,
    /// Where the bodies end.
    end: usize,
    /// The largest gap between them.
    gap: Range<usize>,
    records: BytesMut,
    count: u32,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            bodies: Vec::new(),
            end: HEADER,
            gap: HEADER..HEADER,
            records: BytesMut::new(),
            count: 0,
        }
    }
}

impl Builder {
    /// Takes a body, and says where it begins within the group. It never lies across more blocks
    /// than it needs, so that reading it checks no block in vain.
    pub fn body(&mut self, body: Bytes) -> u64 {
        let block = BLOCK as usize;
        let within = self.end % block;
        if (within + body.len()).div_ceil(block) > body.len().div_ceil(block) {
            let gap = self.end..self.end + block - within;
            self.end = gap.end;
            if gap.len() > self.gap.len() {
                self.gap = gap;
            }
        }
        let at = self.end;
        self.end += body.len();
        self.bodies.push((at, body));
        at as u64
    }

    /// Takes the mutations of one change.
    pub fn record(&mut self, mutations: &[Mutation]) {
        self.count += 1;
        self.records.put_u32_le(mutations.len() as u32);
        for mutation in mutations {
            self.records.put_u8(mutation.table as u8);
            self.records.put_u16_le(mutation.key.len() as u16);
            let value = mutation.value.as_ref();
            self.records
                .put_u32_le(value.map_or(REMOVED, |value| value.len() as u32));
            self.records.put_slice(&mutation.key);
            self.records.put_slice(value.map_or(&[][..], |value| value));
        }
    }

    pub fn records(&self) -> u32 {
        self.count
    }

    /// Length of the group as it stands, in whole blocks.
    pub fn length(&self) -> u64 {
        whole_blocks(self.end.max(self.records_at() + self.records.len()) as u64)
    }

    /// Where the records begin.
    fn records_at(&self) -> usize {
        if self.records.len() <= self.gap.len() {
            self.gap.start
        } else {
            self.end
        }
    }

    /// The group's bytes in order, and its CRC.
    pub fn finish(self, link: &Link) -> (Vec<Bytes>, u32) {
        let length = self.length();
        let records_at = self.records_at();
        let records = self.records.freeze();
        let header = |crc: u32| {
            let mut header = BytesMut::with_capacity(HEADER);
            header.put_slice(MAGIC);
            header.put_u32_le(VERSION);
            header.put_u32_le(crc);
            header.put_u32_le(link.previous_crc);
            for word in [
                link.sequence,
                link.first_record,
                link.epoch,
                link.time,
                link.next_segment,
            ] {
                header.put_u64_le(word);
            }
            for half in [
                length as u32,
                records_at as u32,
                records.len() as u32,
                self.count,
            ] {
                header.put_u32_le(half);
            }
            header.put_bytes(0, HEADER - header.len());
            header.freeze()
        };
        let mut parts = self.bodies;
        let behind = parts.partition_point(|(at, _)| *at < records_at);
        parts.insert(behind, (records_at, records.clone()));
        let mut pieces = vec![header(0)];
        let mut end = HEADER;
        for (at, part) in parts {
            pad(&mut pieces, at - end);
            end = at + part.len();
            pieces.push(part);
        }
        pad(&mut pieces, length as usize - end);
        let crc = crc32c_of_pieces(&pieces);
        pieces[0] = header(crc);
        (pieces, crc)
    }
}

fn pad(pieces: &mut Vec<Bytes>, length: usize) {
    if length > 0 {
        pieces.push(Bytes::from_static(&ZEROES[..length]));
    }
}

/// A group as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub link: Link,
    pub crc: u32,
    pub length: u64,
    pub records: Vec<Vec<Mutation>>,
}

/// What a block at which a group may begin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A group of this length may begin here.
    Group(u64),
    /// No group begins here.
    Nothing,
    /// A newer version's group begins here.
    Version(u32),
}

/// Looks at the first [`HEADER`] bytes of what may be a group.
pub fn start(header: &[u8]) -> Start {
    let half = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    if &header[..4] != MAGIC {
        return Start::Nothing;
    }
    if half(4) != VERSION {
        return Start::Version(half(4));
    }
    let length = u64::from(half(56));
    if length == 0 || length % BLOCK != 0 || length > SEGMENT {
        return Start::Nothing;
    }
    Start::Group(length)
}

impl Group {
    /// Reads a whole group; `None` when it is not one, torn or damaged.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        if bytes.len() < HEADER || start(bytes) != Start::Group(bytes.len() as u64) {
            return None;
        }
        let mut header = &bytes[8..HEADER];
        let crc = header.get_u32_le();
        let mut blank = BytesMut::from(&bytes[..HEADER]);
        blank[8..12].fill(0);
        if crc32c_of_pieces(&[blank.freeze(), bytes.slice(HEADER..)]) != crc {
            return None;
        }
        let previous_crc = header.get_u32_le();
        let link = Link {
            previous_crc,
            sequence: header.get_u64_le(),
            first_record: header.get_u64_le(),
            epoch: header.get_u64_le(),
            time: header.get_u64_le(),
            next_segment: header.get_u64_le(),
        };
        let _length = header.get_u32_le();
        let at = header.get_u32_le() as usize;
        let length = header.get_u32_le() as usize;
        let count = header.get_u32_le();
        let end = at.checked_add(length).filter(|end| *end <= bytes.len())?;
        let mut rest = bytes.slice(at..end);
        // The count is not trusted with memory: it is bounded by what is there.
        let records = (0..count)
            .map_while(|_| record(&mut rest))
            .collect::<Vec<_>>();
        (records.len() == count as usize && rest.is_empty()).then_some(Self {
            link,
            crc,
            length: bytes.len() as u64,
            records,
        })
    }
}

fn record(rest: &mut Bytes) -> Option<Vec<Mutation>> {
    let count = rest.try_get_u32_le().ok()?;
    let mut mutations = Vec::new();
    for _ in 0..count {
        mutations.push(mutation(rest)?);
    }
    Some(mutations)
}

fn mutation(rest: &mut Bytes) -> Option<Mutation> {
    let table = Table::from_number(rest.try_get_u8().ok()?)?;
    let key_length = rest.try_get_u16_le().ok()? as usize;
    let value_length = rest.try_get_u32_le().ok()?;
    let mut take = |length: usize| (length <= rest.len()).then(|| rest.split_to(length));
    let key = take(key_length)?;
    let value = match value_length {
        REMOVED => None,
        length => Some(take(length as usize)?),
    };
    Some(Mutation { table, key, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::crc::crc32c;

    const LINK: Link = Link {
        sequence: 9,
        first_record: 100,
        previous_crc: 0xdead_beef,
        epoch: 3,
        time: 1_700_000_000_000,
        next_segment: 1 << 50,
    };

    fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
        let bytes = |n| proptest::collection::vec(any::<u8>(), 0..n);
        let one = (
            0..Table::ALL.len() as u8,
            bytes(40),
            proptest::option::of(bytes(100)),
        )
            .prop_map(|(table, key, value)| Mutation {
                table: Table::from_number(table).unwrap(),
                key: key.into(),
                value: value.map(Bytes::from),
            });
        proptest::collection::vec(one, 0..5)
    }

    fn build(records: &[Vec<Mutation>], bodies: &[usize]) -> (Bytes, u32, Vec<u64>) {
        let mut builder = Builder::default();
        let places = bodies
            .iter()
            .map(|length| builder.body(Bytes::from(vec![7; *length])))
            .collect();
        for record in records {
            builder.record(record);
        }
        let length = builder.length();
        let (pieces, crc) = builder.finish(&LINK);
        let bytes = Bytes::from(pieces.concat());
        assert_eq!(bytes.len() as u64, length);
        (bytes, crc, places)
    }

    proptest! {
        #[test]
        fn groups_round_trip(
            records in proptest::collection::vec(mutations(), 0..6),
            bodies in proptest::collection::vec(1usize..20_000, 0..6),
        ) {
            let (bytes, crc, places) = build(&records, &bodies);
            let group = Group::decode(&bytes).unwrap();
            prop_assert_eq!(&group.records, &records);
            prop_assert_eq!(group.link, LINK);
            prop_assert_eq!(group.crc, crc);
            for (at, length) in places.iter().zip(&bodies) {
                let at = *at as usize;
                prop_assert!(bytes[at..at + length].iter().all(|byte| *byte == 7));
                let blocks = (at + length - 1) / 4096 - at / 4096 + 1;
                prop_assert_eq!(blocks, length.div_ceil(4096));
            }
        }

        #[test]
        fn records_take_no_block_where_a_gap_holds_them(
            records in proptest::collection::vec(mutations(), 0..4),
            bodies in 1usize..4,
        ) {
            let (bytes, ..) = build(&records, &vec![4096; bodies]);
            prop_assert_eq!(bytes.len(), 4096 * (1 + bodies));
        }

        #[test]
        fn a_flipped_bit_is_seen(records in proptest::collection::vec(mutations(), 1..4), at: u32) {
            let (bytes, ..) = build(&records, &[5000]);
            let mut damaged = bytes.to_vec();
            let bit = at as usize % (damaged.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Group::decode(&damaged.into()), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 4096..4097),
            resum: bool,
        ) {
            bytes[..8].copy_from_slice(b"HRLG\x01\0\0\0");
            bytes[56..60].copy_from_slice(&4096u32.to_le_bytes());
            if resum {
                bytes[8..12].fill(0);
                let crc = crc32c(&bytes);
                bytes[8..12].copy_from_slice(&crc.to_le_bytes());
            }
            let _ = Group::decode(&bytes.into());
        }
    }
}
