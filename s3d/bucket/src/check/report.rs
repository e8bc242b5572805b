//! What a check found.

use serde::Serialize;

/// Problems that a report names; more are only counted.
const MOST: usize = 1000;

/// What a check found. Counts are exact unless a problem says that the index could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Objects.
    pub objects: u64,
    /// Bytes of all objects.
    pub object_bytes: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// Parts of those.
    pub parts: u64,
    /// Bytes of all those parts.
    pub part_bytes: u64,
    /// Spans that objects or parts name.
    pub spans: u64,
    /// Bytes of these spans.
    pub span_bytes: u64,
    /// Bytes of the blocks in which these spans lie.
    pub block_bytes: u64,
    /// Spans that wait for their blocks to be given back.
    pub freed_spans: u64,
    /// Length of the index on the volume, in bytes; not all of it may take space.
    pub index_length: u64,
    /// Log groups that the index does not hold yet.
    pub replayed_groups: u64,
    /// Bytes of objects and parts that were read and compared with their checksums.
    pub bytes_read: u64,
    /// What is wrong, at most 1,000 of it.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub more_problems: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The object's key, when it concerns one.
    pub key: Option<String>,
    /// One sentence.
    pub what: String,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn note(&mut self, key: Option<String>, what: String) {
        if self.problems.len() < MOST {
            self.problems.push(Problem { key, what });
        } else {
            self.more_problems += 1;
        }
    }
}
