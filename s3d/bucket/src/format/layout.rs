//! Where things lie on a bucket's volume. Addresses are bytes from the start of the volume.
//!
//! | from | what |
//! |---|---|
//! | 0 | superblock, two slots of one block |
//! | 256 KiB | the reserve, for folds and for the log: blocks held so that deletes still work when the pool is full |
//! | 1 MiB | index zone, first half: a redb database, or nothing |
//! | 512 TiB | index zone, second half: likewise; one of the two holds the index |
//! | 1 PiB - 32 MiB | the reserve for folds of many rows |
//! | 1 PiB | data zone: log segments and body runs, only ever appended |

/// The volume's block: what one checksum of the volume covers.
pub const BLOCK: u64 = 4096;

/// The two slots of the superblock, written in turn.
pub const SUPERBLOCK_SLOTS: [u64; 2] = [0, BLOCK];

/// The reserve for the log.
pub const LOG_RESERVE: std::ops::Range<u64> = INDEX_ZONE - (256 << 10)..INDEX_ZONE;

/// The reserve for folds, held from its start …
pub const FOLD_RESERVE: std::ops::Range<u64> = 256 << 10..LOG_RESERVE.start;

/// … and what follows it when there are many rows. No index comes near it.
pub const FOLD_RESERVE_FOR_ROWS: std::ops::Range<u64> = DATA_ZONE - (32 << 20)..DATA_ZONE;

/// Start of the index zone.
pub const INDEX_ZONE: u64 = 1 << 20;

/// The halves of the index zone: a copy of the index is made in the one that does not hold it.
pub const INDEX_HALVES: [std::ops::Range<u64>; 2] = [INDEX_ZONE..1 << 49, 1 << 49..DATA_ZONE];

/// Start of the data zone, and so the index zone's end.
pub const DATA_ZONE: u64 = 1 << 50;

/// Length of a log segment, and what its address is a multiple of; no group is longer.
pub const SEGMENT: u64 = 16 << 20;

/// What the compactor rewrites at once. Segments begin at whole multiples of it.
pub const UNIT: u64 = 1 << 20;

/// Bodies up to this length travel in the log.
pub const SMALL_BODY: usize = 64 * 1024;

/// A larger body is written in runs of this length.
pub const RUN: usize = 1 << 20;

/// No span is longer.
pub const MAX_SPAN: u64 = 64 << 20;

/// How far the append high-water mark is moved at once (B8).
pub const MARK_STEP: u64 = 1 << 30;

/// A block of zeroes.
pub static ZEROES: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// `length` rounded up to whole blocks.
pub const fn whole_blocks(length: u64) -> u64 {
    length.div_ceil(BLOCK) * BLOCK
}
