//! Entry points for `tests/fuzz`: everything that reads the bytes of a volume. The checksums are made
//! to fit, so that what is behind them is reached.

use bytes::BytesMut;

use crate::format::crc::{crc32c, crc32c_of_pieces};
use crate::format::group::{self, Builder, Group, HEADER, Link, Start};
use crate::format::layout::{BLOCK, whole_blocks};
use crate::format::redirect::Redirect;
use crate::format::rows::{
    Freed, Holes, MovedSpan, Mutation, Row, Shares, Slices, Span, Table, Tokens, part_number,
    span_id, split_upload_key,
};
use crate::format::superblock::Fields;
use crate::index::feed::{EventChunk, FeedState};
use crate::log::position::Position;
use crate::object::{Object, Part, Upload};
use crate::totals::Totals;

/// Where a group has its checksum and its length.
const GROUP_CRC: std::ops::Range<usize> = 8..12;
const GROUP_LENGTH: std::ops::Range<usize> = 56..60;

/// Reads a group whose bytes from the checksum on are given, then each row that it changes.
pub fn group(data: &[u8]) {
    let link = Link {
        sequence: 1,
        first_record: 1,
        previous_crc: 0,
        epoch: 1,
        time: 0,
        next_segment: 0,
    };
    let (pieces, _) = Builder::default().finish(&link);
    let mut bytes = BytesMut::from(&pieces.concat()[..GROUP_CRC.end]);
    bytes[GROUP_CRC].fill(0);
    bytes.extend_from_slice(data);
    let length = whole_blocks(bytes.len() as u64);
    bytes.resize(length as usize, 0);
    bytes[GROUP_LENGTH].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = crc32c_of_pieces(&[bytes.clone().freeze()]);
    bytes[GROUP_CRC].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(group::start(&bytes[..HEADER]), Start::Group(length));
    let read = Group::decode(&bytes.freeze());
    for mutation in read.into_iter().flat_map(|group| group.records).flatten() {
        row(&mutation);
    }
}

fn row(mutation: &Mutation) {
    let key = &mutation.key;
    match mutation.table {
        Table::Uploads => drop(split_upload_key(key)),
        Table::Parts => drop(part_number(key)),
        Table::Spans | Table::Freed => drop(span_id(key)),
        _ => {}
    }
    if let Some(value) = &mutation.value {
        value_of(mutation.table, value);
    }
}

/// Reads the rest as a row of the table that the first byte names.
pub fn rows(data: &[u8]) {
    let Some((number, value)) = data.split_first() else {
        return;
    };
    let number = usize::from(*number) % Table::ALL.len();
    value_of(Table::ALL[number], value);
}

/// What can be read is written, and reads the same again.
fn value_of(table: Table, bytes: &[u8]) {
    match table {
        Table::Objects | Table::Arrivals => same::<Object>(bytes),
        Table::Uploads => same::<Upload>(bytes),
        Table::Parts => same::<Part>(bytes),
        Table::Spans => same::<Span>(bytes),
        Table::Freed => same::<Freed>(bytes),
        Table::Shares | Table::BlobShares => same::<Shares>(bytes),
        Table::Slices => same::<Slices>(bytes),
        Table::Doomed => same::<()>(bytes),
        Table::Totals => same::<Totals>(bytes),
        Table::Events => same::<EventChunk>(bytes),
        Table::FeedState => same::<FeedState>(bytes),
        Table::Moved => same::<MovedSpan>(bytes),
        Table::Holes => same::<Holes>(bytes),
        Table::Tokens => same::<Tokens>(bytes),
        Table::Redirect => same::<Redirect>(bytes),
    }
}

fn same<R: Row + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(row) = R::decode(bytes) {
        assert_eq!(R::decode(&row.encode()).as_ref(), Ok(&row));
    }
}

/// Reads a slot of the superblock, and a position of the log, whose bytes behind the checksum are given.
pub fn superblock(data: &[u8]) {
    let mut block = b"HRBUCKET\x02\0\0\0\0\0\0\0".to_vec();
    block.extend_from_slice(data);
    block.resize(BLOCK as usize, 0);
    let crc = crc32c(&block);
    block[12..16].copy_from_slice(&crc.to_le_bytes());
    let _ = Fields::decode(&block);

    let mut row = b"\x01\0\0\0\0\0\0\0".to_vec();
    row.extend_from_slice(data);
    row.resize(56, 0);
    let crc = crc32c(&row);
    row[4..8].copy_from_slice(&crc.to_le_bytes());
    if let Some(position) = Position::decode(&row) {
        assert_eq!(Position::decode(&position.encode()), Some(position));
    }
}
