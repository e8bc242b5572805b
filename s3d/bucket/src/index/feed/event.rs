//! The change feed: what happened to objects, in the order in which it did.

use serde::{Deserialize, Serialize};

use crate::errors::ReadError;
use crate::format::redirect::overlap;
use crate::object::{Key, Timestamp};

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Sequence number of its record: greater than that of every event before it. Changes that are
    /// no events have numbers, too, so some are missing in between.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The object's key.
    pub key: Key,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// It was put, copied or completed, in place of any earlier one.
    Put {
        /// Its ETag, without quotes.
        etag: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Its tags or its ACL were changed, and not its bytes.
    Attributes {
        /// Its ETag, without quotes.
        etag: String,
        /// Its size in bytes.
        size: u64,
    },
    /// It was deleted.
    Deleted,
    /// All objects whose keys started with the event's key, which is a prefix, have keys that start
    /// with another instead, at once; they are what they were else. What had the key `to` itself is
    /// gone.
    PrefixRenamed {
        /// The new prefix.
        to: String,
    },
}

impl Event {
    /// Whether it is of interest to who follows the keys under a prefix.
    pub fn concerns(&self, prefix: &str) -> bool {
        let key = self.key.as_str();
        match &self.kind {
            EventKind::PrefixRenamed { to } => overlap(key, prefix) || overlap(to, prefix),
            _ => key.starts_with(prefix),
        }
    }
}

/// How much of the feed is kept: the newest events, up to both limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedRetention {
    /// Most events.
    pub events: u64,
    /// Most bytes of them, as stored.
    pub bytes: u64,
}

impl Default for FeedRetention {
    fn default() -> Self {
        Self {
            events: 1_000_000,
            bytes: 64 << 20,
        }
    }
}

/// A page of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// Events in order.
    pub events: Vec<Event>,
    /// What to give as `after` for the next page: every event up to this was looked at.
    pub through: u64,
    /// Whether there is more behind `through` already.
    pub more: bool,
    /// The oldest sequence number that is kept.
    pub oldest: u64,
}

/// Why a page of the change feed cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangesError {
    /// Events behind the wanted number are no longer kept.
    #[error("the change feed begins at {oldest} now: what was asked for is no longer kept")]
    Gone {
        /// The oldest sequence number that is kept.
        oldest: u64,
    },
    /// The index cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
