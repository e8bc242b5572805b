//! Reads the change feed.

use super::{ChangePage, EventChunk, EventKind, RawEvent, chunk_key, feed_state};
use crate::format::rows::{Row, Table};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::Key;

/// Chunks looked through for one page: a prefix that hardly any key has must not hold a thread for
/// the whole feed.
const CHUNKS: usize = 64;

/// Most events of which [`changed_since`] tells.
const SINCE: usize = 1_000;

/// At most `limit` events behind `after` whose keys start with `prefix`; `last` is the number of the
/// last record that `reader` is known to see. `None` when some of them are no longer kept. Blocks on
/// the index.
pub fn changes(
    reader: &Reader,
    after: u64,
    prefix: &str,
    limit: usize,
    last: u64,
) -> Result<Result<ChangePage, u64>, IndexError> {
    let mut page = PageBuilder {
        prefix,
        limit,
        page: ChangePage {
            events: Vec::new(),
            through: after,
            more: false,
            oldest: 0,
        },
    };
    // The memtables before the chunks: a fold that seals them meanwhile shows events twice, never
    // not at all.
    let recent = reader.tables().events_after(after);
    let complete = page.read_chunks(reader)? && page.read_recent(&recent)?;
    let mut page = page.page;
    if complete {
        page.through = page.through.max(last);
    }
    page.more = page.through < last;
    // Behind the chunks: one that was dropped while they were read is noticed.
    let dropped = feed_state(reader)?.dropped;
    page.oldest = dropped + 1;
    Ok(if after < dropped {
        Err(page.oldest)
    } else {
        Ok(page)
    })
}

/// The objects under a prefix that were put or relabelled behind `sequence`, as far as `reader` sees;
/// `None` when there are too many to tell at once, or a prefix was renamed since. Blocks on the index.
pub fn changed_since(
    reader: &Reader,
    sequence: u64,
    prefix: &str,
) -> Result<Option<Vec<Key>>, IndexError> {
    let Ok(page) = changes(reader, sequence, prefix, SINCE, u64::MAX)? else {
        return Ok(None);
    };
    if page.more {
        return Ok(None);
    }
    let keys = page
        .events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Put { .. } | EventKind::Attributes { .. } => Some(Some(event.key)),
            EventKind::Deleted => None,
            EventKind::PrefixRenamed { .. } => Some(None),
        });
    Ok(keys.collect())
}

struct PageBuilder<'p> {
    prefix: &'p str,
    limit: usize,
    page: ChangePage,
}

impl PageBuilder<'_> {
    fn is_full(&self) -> bool {
        self.page.events.len() >= self.limit
    }

    /// False when there may be more chunks.
    fn read_chunks(&mut self, reader: &Reader) -> Result<bool, IndexError> {
        let mut chunks = reader.cursor(Table::Events)?;
        chunks.seek(chunk_key(self.page.through + 1));
        for _ in 0..CHUNKS {
            let Some((_, value)) = chunks.next()? else {
                return Ok(true);
            };
            for event in EventChunk::decode(&value)?.0 {
                if event.sequence <= self.page.through {
                    continue;
                }
                if self.is_full() {
                    return Ok(false);
                }
                self.page.through = event.sequence;
                if event.concerns(self.prefix) {
                    self.page.events.push(event);
                }
            }
        }
        Ok(false)
    }

    /// False when there is more.
    fn read_recent(&mut self, recent: &[RawEvent]) -> Result<bool, IndexError> {
        for raw in recent {
            if raw.sequence <= self.page.through {
                continue;
            }
            if self.is_full() {
                return Ok(false);
            }
            self.page.through = raw.sequence;
            if raw.concerns(self.prefix) {
                self.page.events.push(raw.decode()?);
            }
        }
        Ok(true)
    }
}
