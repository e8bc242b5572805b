//! One version of an object, as a file that may hold any of its chunks.
//!
//! The file has a head of 24 bytes (`hayrackc`, the object's length in bytes, a checksum of both, four
//! zeros), then 8 bytes for each chunk (its checksum, and a mark that it is present), zeros up to a
//! multiple of 4 KiB, and the chunks at their places. Numbers are little-endian. It is sparse: what is
//! not present takes no room and reads as zeros, which mark nothing.
//!
//! Nothing is flushed to the disk in any order. A checksum is of a chunk's bytes, of its place and of the
//! object's identity, so that whatever a crash leaves is told from what was written.

use std::ops::Range;

use crc_fast::{CrcAlgorithm, Digest};
use sha2::{Digest as _, Sha256};

/// Bytes of a chunk; the last one of an object may be shorter.
const CHUNK: u64 = 128 << 10;
const MAGIC: &[u8; 8] = b"hayrackc";
const HEAD: u64 = 24;
const ENTRY: u64 = 8;
/// Chunks begin at a multiple of this, as pages and blocks do.
const ALIGNED: u64 = 4096;
/// Longest object, in bytes: more than any server stores, and little enough to calculate with.
const LONGEST: u64 = 1 << 52;
/// Beside a checksum: the chunk is present.
const PRESENT: u32 = 0x6b63_7268;
const EXTENSION: &str = ".object";

/// What a version's file is known by: a hash of the key, the ETag and the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name([u8; 32]);

impl Name {
    /// The name of the file in its folder.
    pub fn file_name(&self) -> String {
        format!("{}{EXTENSION}", hex::encode(self.0))
    }

    /// The name that a file has; `None`: it is not one of these files.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = Self(
            hex::decode(name.strip_suffix(EXTENSION)?)
                .ok()?
                .try_into()
                .ok()?,
        );
        Some(name)
    }

    fn sum(&self, place: u64, bytes: &[u8]) -> u32 {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(&self.0);
        digest.update(&place.to_le_bytes());
        digest.update(bytes);
        digest.finalize() as u32
    }
}

/// A version of an object. Chunks are known by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// What its file is known by.
    pub name: Name,
    size: u64,
}

impl Version {
    /// The version of an object that has this ETag and this length in bytes; `None` when it is longer
    /// than objects are.
    pub fn of(key: &str, etag: &str, size: u64) -> Option<Self> {
        let mut hash = Sha256::new();
        for text in [key, etag] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(size.to_le_bytes());
        let name = Name(hash.finalize().into());
        (size <= LONGEST).then_some(Self { name, size })
    }

    /// What a file says of itself in its first bytes; `None`: they are not whole.
    pub fn of_head(name: Name, head: [u8; HEAD as usize]) -> Option<Self> {
        let size = u64::from_le_bytes(head[8..16].try_into().ok()?);
        let version = Self { name, size };
        (size <= LONGEST && version.head() == head).then_some(version)
    }

    /// The first bytes of its file.
    pub fn head(&self) -> [u8; HEAD as usize] {
        let mut head = [0; HEAD as usize];
        head[..8].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&self.size.to_le_bytes());
        let sum = self.name.sum(u64::MAX, &head[..16]);
        head[16..20].copy_from_slice(&sum.to_le_bytes());
        head
    }

    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(CHUNK)
    }

    /// The chunks that have bytes of a range of the object, which ends at its end at the latest.
    pub fn covering(&self, range: &Range<u64>) -> Range<u64> {
        range.start / CHUNK..range.end.div_ceil(CHUNK).min(self.chunks())
    }

    /// The object's bytes that chunks have.
    pub fn bytes(&self, chunks: &Range<u64>) -> Range<u64> {
        let at = |chunk: u64| (chunk * CHUNK).min(self.size);
        at(chunks.start)..at(chunks.end)
    }

    /// How many bytes a chunk has.
    pub fn length(&self, chunk: u64) -> u64 {
        let bytes = self.bytes(&(chunk..chunk + 1));
        bytes.end - bytes.start
    }

    /// Where in the file it says of a chunk whether it is present, in 8 bytes.
    pub fn entry_at(&self, chunk: u64) -> u64 {
        HEAD + chunk * ENTRY
    }

    /// Where in the file a chunk's bytes are.
    pub fn data_at(&self, chunk: u64) -> u64 {
        self.entry_at(self.chunks()).next_multiple_of(ALIGNED) + chunk * CHUNK
    }

    /// What the file says of a chunk that has these bytes.
    pub fn entry(&self, chunk: u64, bytes: &[u8]) -> [u8; ENTRY as usize] {
        let sum = u64::from(self.name.sum(chunk, bytes));
        (sum | u64::from(PRESENT) << 32).to_le_bytes()
    }
}

/// Whether 8 bytes say of a chunk that it is present.
pub fn is_entry_of(entry: &[u8]) -> bool {
    entry.get(4..8) == Some(&PRESENT.to_le_bytes())
}

/// What has to be fetched, as one range of places, so that nothing is missing: `None` when all is good.
pub fn missing(good: &[bool]) -> Option<Range<usize>> {
    let first = good.iter().position(|good| !good)?;
    let last = good.iter().rposition(|good| !good)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(size: u64) -> Version {
        Version::of("a/b", "\"etag\"", size).expect("it is short enough")
    }

    #[test]
    fn versions_that_differ_in_anything_have_names_of_their_own() {
        let same = version(5);
        assert_eq!(same, version(5));
        let others = [
            ("a/b", "\"other\"", 5),
            ("a/c", "\"etag\"", 5),
            ("a/b", "\"etag\"", 6),
        ];
        for (key, etag, size) in others {
            let other = Version::of(key, etag, size).expect("it is short enough");
            assert_ne!(same.name, other.name);
        }
        let (one, other) = (Version::of("ab", "c", 0), Version::of("a", "bc", 0));
        assert_ne!(one, other);
        assert_eq!(Version::of("a", "b", u64::MAX), None);
    }

    #[test]
    fn files_of_others_are_told_from_these() {
        let name = version(5).name;
        assert_eq!(Name::of_file_name(&name.file_name()), Some(name));
        for other in ["lock", "photo.object", ".object", "", &hex::encode(name.0)] {
            assert_eq!(Name::of_file_name(other), None);
        }
    }

    #[test]
    fn a_hole_marks_nothing() {
        assert!(!is_entry_of(&[0; 8]));
        assert!(!is_entry_of(&[]));
        assert!(is_entry_of(&version(9).entry(0, b"bytes")));
    }

    proptest! {
        /// The chunks of a range have all of it and less than two chunks more, and no two things share
        /// a place in the file.
        #[test]
        fn every_range_has_its_chunks(size in 1..LONGEST, at in 0..1000_u64, length in 1..10_u64 << 20) {
            let version = version(size);
            let start = (u128::from(size - 1) * u128::from(at) / 1000) as u64;
            let range = start..(start + length).min(size);
            let chunks = version.covering(&range);
            let bytes = version.bytes(&chunks);
            prop_assert!(bytes.start <= range.start && range.end <= bytes.end);
            prop_assert!(bytes.end <= size);
            prop_assert!(bytes.end - bytes.start < range.end - range.start + 2 * CHUNK);
            let lengths: u64 = chunks.clone().map(|chunk| version.length(chunk)).sum();
            prop_assert_eq!(lengths, bytes.end - bytes.start);
            prop_assert!(version.entry_at(chunks.start) >= HEAD);
            prop_assert!(version.entry_at(version.chunks()) <= version.data_at(0));
            prop_assert_eq!(version.data_at(chunks.start) % ALIGNED, 0);
            prop_assert_eq!(version.data_at(chunks.end) - version.data_at(chunks.start),
                (chunks.end - chunks.start) * CHUNK);
        }

        /// A changed byte, another place or another version is noticed.
        #[test]
        fn a_checksum_is_of_bytes_place_and_version(
            bytes in prop::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let version = version(1 << 30);
            let entry = version.entry(7, &bytes);
            let mut damaged = bytes.clone();
            *at.get_mut(&mut damaged) ^= 1_u8 << bit;
            prop_assert_eq!(version.entry(7, &bytes), entry);
            prop_assert_ne!(version.entry(7, &damaged), entry);
            prop_assert_ne!(version.entry(8, &bytes), entry);
            let other = Version::of("a/b", "\"other\"", 1 << 30).expect("it is short enough");
            prop_assert_ne!(other.entry(7, &bytes), entry);
        }

        #[test]
        fn a_damaged_head_is_no_head(size in 0..LONGEST, at in 0..HEAD as usize, bit in 0..8_u32) {
            let version = version(size);
            let mut head = version.head();
            prop_assert_eq!(Version::of_head(version.name, head), Some(version));
            head[at] ^= 1_u8 << bit;
            prop_assert_eq!(Version::of_head(version.name, head), None);
        }

        /// All that is not good is within what is fetched, which begins and ends with some of it.
        #[test]
        fn what_is_missing_is_fetched(good in prop::collection::vec(any::<bool>(), 0..20)) {
            match missing(&good) {
                None => prop_assert!(good.iter().all(|good| *good)),
                Some(span) => {
                    prop_assert!(!good[span.start] && !good[span.end - 1]);
                    prop_assert!(good[..span.start].iter().chain(&good[span.end..]).all(|good| *good));
                }
            }
        }
    }
}
