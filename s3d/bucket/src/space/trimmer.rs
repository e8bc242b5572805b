//! The trimmer: gives the space of freed spans back to the pool, in the background (B7).
//!
//! A freed span is one that a durable record took the last reference from, and marked in the freed
//! table. Only marks that redb holds are looked at: their groups, and the groups their bodies
//! travelled in, are then never read by a replay again. When no read that began before can still
//! need them, the blocks that hold nothing else are TRIMmed and flushed, and the mark goes together
//! with the span's own row.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use volumed_client::DeviceError;

use crate::commit::change::Change;
use crate::commit::committer::{Message, Submission};
use crate::errors::ClosedError;
use crate::format::layout::{BLOCK, DATA_ZONE, SMALL_BODY, whole_blocks};
use crate::format::rows::{Freed, Row, Span, Table, span_id, span_key};
use crate::index::IndexError;
use crate::index::cursor::Cursor;
use crate::index::reader::Reader;
use crate::object::SpanId;
use crate::shared::Shared;
use crate::space::release::release;
use crate::space::reserve::hold_reserve;

/// Freed spans handled at once.
const BATCH: usize = 2_000;

/// A freed span, and where it lies.
#[derive(Debug, Clone, Copy)]
struct FreedSpan {
    id: SpanId,
    offset: u64,
    length: u64,
}

/// Runs until the bucket closes.
pub async fn run(shared: Arc<Shared>, messages: mpsc::WeakSender<Message>) {
    while shared.closed.get().is_none() {
        let folded = shared.folded.notified();
        let done = async {
            trim_abandoned(&shared).await?;
            release(&shared, &messages).await?;
            round(&shared, &messages).await
        };
        match done.await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "freed space is not given back for now"),
        }
        tokio::select! {
            () = folded => {}
            () = shared.space.abandoned.notified() => {}
        }
    }
}

/// Trims the space of bodies that no record came to name. Nothing ever knew of them, so nothing
/// has to be waited for.
async fn trim_abandoned(shared: &Shared) -> Result<(), DeviceError> {
    let ranges = shared.space.take_abandoned();
    if shared.closed.get().is_some() {
        // Perhaps a record names them after all; the sweep of the next open knows.
        return Ok(());
    }
    for range in &ranges {
        shared
            .data
            .trim(range.start, range.end - range.start)
            .await?;
    }
    if !ranges.is_empty() {
        shared.data.flush().await?;
        shared.space.trimmed(&ranges);
    }
    Ok(())
}

/// Trims one batch; answers whether there may be more to do at once.
async fn round(
    shared: &Arc<Shared>,
    messages: &mpsc::WeakSender<Message>,
) -> Result<bool, ClosedError> {
    let freed = shared
        .index
        .read(|reader| freed_spans(reader, BATCH))
        .await?;
    if freed.is_empty() {
        return Ok(false);
    }
    let spans = freed.clone();
    let dead = shared
        .index
        .read(move |reader| dead_blocks(reader, &spans))
        .await?;
    // In this order: what lives now keeps its block, however it is deleted during the wait, when a
    // later read may have pinned it.
    shared.pins.wait_for_earlier().await;
    for range in dead {
        shared
            .data
            .trim(range.start, range.end - range.start)
            .await?;
    }
    shared.data.flush().await?;
    let full = freed.len() == BATCH;
    let spans = freed.into_iter().map(|span| span.id).collect();
    let Some(messages) = messages.upgrade() else {
        return Ok(false);
    };
    let (answer, done) = oneshot::channel();
    let submission = Submission {
        change: Box::new(Change::Forget { spans }),
        answer,
    };
    // Refused, say for want of space, it is tried again once something changed.
    let sent = messages.send(Message::Submit(submission)).await.is_ok();
    let forgotten = sent && matches!(done.await, Ok(Ok(_)));
    hold_reserve(shared).await?;
    Ok(full && forgotten)
}

/// Freed spans whose marks redb holds, and that nobody forgot since.
fn freed_spans(reader: &Reader, limit: usize) -> Result<Vec<FreedSpan>, IndexError> {
    let mut freed = Vec::new();
    // Not by way of the row cache: nobody asks for these rows again.
    let mut spans = reader.cursor(Table::Spans)?;
    for (key, value) in reader.stored_rows(Table::Freed)? {
        if freed.len() == limit {
            break;
        }
        if reader.known_change(Table::Freed, &key).is_some() {
            continue;
        }
        let Freed = Freed::decode(&value)?;
        spans.seek(key.clone());
        let row = spans.next()?.filter(|(found, _)| *found == key);
        let (_, row) = row.ok_or_else(|| IndexError("a span without a row was freed".into()))?;
        let Span { offset, length, .. } = Span::decode(&row)?;
        let id = span_id(&key)?;
        freed.push(FreedSpan { id, offset, length });
    }
    Ok(freed)
}

/// The addresses of whole blocks of `freed` in which everything is dead, joined where they touch.
fn dead_blocks(reader: &Reader, freed: &[FreedSpan]) -> Result<Vec<Range<u64>>, IndexError> {
    let mut neighbours = Neighbours {
        reader,
        spans: reader.cursor(Table::Spans)?,
        known: BTreeMap::new(),
    };
    let mut dead: BTreeMap<u64, u64> = BTreeMap::new();
    for span in freed {
        let end = span.offset + span.length;
        let mut range = span.offset / BLOCK * BLOCK..whole_blocks(end);
        // A larger body has its blocks for itself; small ones share those that they do not fill.
        let small = span.length <= SMALL_BODY as u64;
        if small && range.start != span.offset && neighbours.live_in(range.start)? {
            range.start += BLOCK;
        }
        if small && range.end != end && range.start < range.end {
            let last = range.end - BLOCK;
            if neighbours.live_in(last)? {
                range.end = last;
            }
        }
        if range.start < range.end {
            let end = dead.entry(range.start).or_default();
            *end = range.end.max(*end);
        }
    }
    let mut joined: Vec<Range<u64>> = Vec::new();
    for (start, end) in dead {
        match joined.last_mut() {
            Some(last) if start <= last.end => last.end = end.max(last.end),
            _ => joined.push(start..end),
        }
    }
    Ok(joined
        .into_iter()
        .map(|it| DATA_ZONE + it.start..DATA_ZONE + it.end)
        .collect())
}

/// Says whether a span that lives lies, in part, in a block; each block is looked at once.
struct Neighbours<'r> {
    reader: &'r Reader,
    spans: Cursor<'r>,
    known: BTreeMap<u64, bool>,
}

impl Neighbours<'_> {
    fn live_in(&mut self, block: u64) -> Result<bool, IndexError> {
        if let Some(live) = self.known.get(&block) {
            return Ok(*live);
        }
        let live = self.look(block)?;
        self.known.insert(block, live);
        Ok(live)
    }

    fn look(&mut self, block: u64) -> Result<bool, IndexError> {
        // Spans lie in the order of their ids, and one that shares a block is no longer than a
        // small body.
        self.spans
            .seek(span_key(SpanId(block.saturating_sub(SMALL_BODY as u64))));
        while let Some((key, value)) = self.spans.next()? {
            let span = Span::decode(&value)?;
            if span.offset >= block + BLOCK {
                return Ok(false);
            }
            if span.offset + span.length > block && !self.is_freed(&key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a durable record freed the span, folded or not: it is dead from then on, and only a
    /// read that began before may still need it.
    fn is_freed(&self, key: &[u8]) -> Result<bool, IndexError> {
        Ok(self.reader.get(Table::Freed, key)?.is_some())
    }
}
