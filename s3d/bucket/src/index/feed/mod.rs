//! The change feed, as it is kept: events that the log holds and the index does not are found in the
//! memtables, as the rows that they changed; a fold seals them into chunks, which are rows.
//!
//! A chunk is written in the transaction that also says how far the log was applied, and the events
//! behind it are made again by replay: the feed has neither a gap nor an event twice.

mod event;
mod read;
mod seal;
#[cfg(test)]
mod tests;

pub use event::*;
pub use read::{changed_since, changes};
pub use seal::seal;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::format::redirect::{Redirect, overlap};
use crate::format::rows::{Mutation, Row, RowError, Table};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::{Key, Object, Timestamp};

/// Events in order; its key in the index is the sequence number of the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChunk(pub Vec<Event>);

/// What the chunks amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedState {
    pub events: u64,
    pub bytes: u64,
    /// Every event up to this sequence number is no longer kept.
    pub dropped: u64,
}

impl Row for EventChunk {}
impl Row for FeedState {}

/// An event as a memtable holds it: the row that changed, which costs nothing to keep.
#[derive(Debug, Clone)]
pub struct RawEvent {
    pub sequence: u64,
    time: Timestamp,
    key: Bytes,
    what: Changed,
}

#[derive(Debug, Clone)]
enum Changed {
    /// An object has this row now, or none.
    Object(Option<Bytes>),
    /// Its key is the old prefix.
    PrefixRenamed { to: String },
}

impl RawEvent {
    /// The event of a record, if it is one: no record but one that moves rows for a prefix rename
    /// changes more than one object. `redirect`: the one that it was planned under.
    pub fn of_record(
        sequence: u64,
        time: Timestamp,
        record: &[Mutation],
        redirect: Option<&Redirect>,
    ) -> Option<Self> {
        let (key, what) = if Redirect::is_changed_by(record) {
            let Redirect { from, to, .. } = Redirect::begun_by(sequence, record)?;
            (from.into(), Changed::PrefixRenamed { to })
        } else {
            let is_object = |table| matches!(table, Table::Objects | Table::Arrivals);
            let changed = record.iter().find(|it| is_object(it.table))?;
            let Mutation { table, key, value } = changed;
            let key = redirect.map_or_else(|| key.clone(), |it| it.key_of(*table, key));
            (key, Changed::Object(value.clone()))
        };
        Some(Self {
            sequence,
            time,
            key,
            what,
        })
    }

    /// Whether it is of interest to who follows the keys under a prefix.
    pub fn concerns(&self, prefix: &str) -> bool {
        match &self.what {
            Changed::Object(_) => self.key.starts_with(prefix.as_bytes()),
            Changed::PrefixRenamed { to } => {
                let from = String::from_utf8_lossy(&self.key);
                overlap(&from, prefix) || overlap(to, prefix)
            }
        }
    }

    pub fn decode(&self) -> Result<Event, RowError> {
        let key = String::from_utf8(self.key.to_vec()).map_err(|_| RowError::Damaged)?;
        let key = Key::new(key).map_err(|_| RowError::Damaged)?;
        let kind = match &self.what {
            Changed::Object(None) => EventKind::Deleted,
            Changed::Object(Some(row)) => self.kind(Object::decode(row)?),
            Changed::PrefixRenamed { to } => EventKind::PrefixRenamed { to: to.clone() },
        };
        Ok(Event {
            sequence: self.sequence,
            time: self.time,
            key,
            kind,
        })
    }

    fn kind(&self, object: Object) -> EventKind {
        let (etag, size) = (object.attributes.etag, object.size);
        if object.sequence == self.sequence {
            EventKind::Put { etag, size }
        } else {
            EventKind::Attributes { etag, size }
        }
    }
}

/// The key of a chunk, or of the first chunk that may hold an event of this number.
pub fn chunk_key(sequence: u64) -> Bytes {
    Bytes::copy_from_slice(&sequence.to_be_bytes())
}

fn feed_state(reader: &Reader) -> Result<FeedState, IndexError> {
    let row = reader.get(Table::FeedState, &[])?;
    let state = row.map(|row| FeedState::decode(&row)).transpose()?;
    Ok(state.unwrap_or_default())
}
