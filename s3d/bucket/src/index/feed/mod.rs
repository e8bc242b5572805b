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
pub use read::changes;
pub use seal::seal;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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
    object: Option<Bytes>,
}

impl RawEvent {
    /// The event of a record, if it is one: no record changes more than one object.
    pub fn of_record(sequence: u64, time: Timestamp, record: &[Mutation]) -> Option<Self> {
        let changed = record.iter().find(|it| it.table == Table::Objects)?;
        Some(Self {
            sequence,
            time,
            key: changed.key.clone(),
            object: changed.value.clone(),
        })
    }

    pub fn decode(&self) -> Result<Event, RowError> {
        let key = String::from_utf8(self.key.to_vec()).map_err(|_| RowError::Damaged)?;
        let key = Key::new(key).map_err(|_| RowError::Damaged)?;
        let kind = match &self.object {
            None => EventKind::Deleted,
            Some(row) => self.kind(Object::decode(row)?),
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
