//! Makes chunks of a memtable's events, and drops the oldest chunks.

use bytes::Bytes;

use super::{EventChunk, FeedRetention, FeedState, RawEvent, chunk_key, feed_state};
use crate::format::rows::{Mutation, Row, RowError, Table};
use crate::index::IndexError;
use crate::index::memtable::Memtable;
use crate::index::reader::Reader;
use crate::offload::Offload;

/// Most events of a chunk, of which one takes some 80 bytes.
const CHUNK: usize = 512;

/// Puts the events of `frozen`, which `reader` sees, into chunks that are rows of it, and takes away
/// the oldest chunks beyond `retention`. Done again, when a fold is tried again, it does nothing.
pub fn seal(
    reader: &Reader,
    frozen: &Memtable,
    retention: FeedRetention,
    offload: Offload,
) -> Result<(), IndexError> {
    let events = frozen.events_after(0);
    if events.is_empty() {
        return Ok(());
    }
    let mut state = feed_state(reader)?;
    let mut rows = Vec::new();
    for events in events.chunks(CHUNK) {
        let (last, chunk) = chunk(events)?;
        state.events += events.len() as u64;
        state.bytes += chunk.len() as u64;
        rows.push(row(chunk_key(last), Some(chunk)));
        offload.pause();
    }
    drop_oldest(reader, &mut state, retention, &mut rows)?;
    rows.push(Mutation {
        table: Table::FeedState,
        key: Bytes::new(),
        value: Some(state.encode()),
    });
    frozen.replace_events(&rows);
    Ok(())
}

/// The sequence number of the last event, and the chunk.
fn chunk(events: &[RawEvent]) -> Result<(u64, Bytes), RowError> {
    let decoded: Vec<_> = events
        .iter()
        .map(RawEvent::decode)
        .collect::<Result<_, _>>()?;
    let last = decoded.last().map_or(0, |event| event.sequence);
    Ok((last, EventChunk(decoded).encode()))
}

fn drop_oldest(
    reader: &Reader,
    state: &mut FeedState,
    retention: FeedRetention,
    rows: &mut Vec<Mutation>,
) -> Result<(), IndexError> {
    let mut oldest = reader.cursor(Table::Events)?;
    while state.events > retention.events || state.bytes > retention.bytes {
        let Some((key, value)) = oldest.next()? else {
            return Ok(());
        };
        let EventChunk(events) = EventChunk::decode(&value)?;
        state.events -= events.len() as u64;
        state.bytes -= value.len() as u64;
        state.dropped = events.last().map_or(state.dropped, |event| event.sequence);
        rows.push(row(key, None));
    }
    Ok(())
}

fn row(key: Bytes, value: Option<Bytes>) -> Mutation {
    Mutation {
        table: Table::Events,
        key,
        value,
    }
}
