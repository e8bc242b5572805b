//! Reads the change feed.

use super::{ChangePage, EventChunk, RawEvent, chunk_key, feed_state};
use crate::format::rows::{Row, Table};
use crate::index::IndexError;
use crate::index::reader::Reader;

/// Chunks looked through for one page: a prefix that hardly any key has must not hold a thread for
/// the whole feed.
const CHUNKS: usize = 64;

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
                if event.key.as_str().starts_with(self.prefix) {
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
            if raw.key.starts_with(self.prefix.as_bytes()) {
                self.page.events.push(raw.decode()?);
            }
        }
        Ok(true)
    }
}
