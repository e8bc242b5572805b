//! The trimmer: gives the space of freed spans back to the pool, in the background (B7).
//!
//! A freed span is one that a durable record took the last reference from, and marked in the freed
//! table. Only marks that redb holds are looked at: their groups, and the groups their bodies
//! travelled in, are then never read by a replay again. When no read that began before can still
//! need them, the blocks that hold nothing else are TRIMmed and flushed, and the mark goes together
//! with the span's own row.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use volumed_client::DeviceError;

use crate::commit::change::{Change, TrimmedSpan, UnitHoles};
use crate::commit::messages::{Message, Submission};
use crate::errors::ClosedError;
use crate::format::layout::{BLOCK, DATA_ZONE, SMALL_BODY, UNIT, whole_blocks};
use crate::format::rows::{Row, Span, Table, span_id, span_key};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::SpanId;
use crate::rules::{Rule, kept};
use crate::shared::Shared;
use crate::space::by_offset::SpansByOffset;
use crate::space::release::release;
use crate::space::reserve::hold_for_log_if_needed;

/// Freed spans handled at once.
const BATCH: usize = 2_000;

/// How long no change comes in a lull.
const LULL: Duration = Duration::from_millis(500);

/// How long a lull is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

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
            let more = round(&shared, &messages).await?;
            hold_for_log_if_needed(&shared).await?;
            Ok::<_, ClosedError>(more)
        };
        match done.await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "freed space is not given back; the next fold tries again");
            }
        }
        tokio::select! {
            () = folded => wait_for_lull(&shared).await,
            () = shared.space.abandoned.notified() => {}
        }
    }
}

/// Waits while changes keep coming, but not for ever: clients go first, and what is freed together is
/// given back in fewer and longer TRIMs. A pool so full that the reserve is given up does not wait.
async fn wait_for_lull(shared: &Shared) {
    let end = Instant::now() + PATIENCE;
    let mut last = *shared.last_record.borrow();
    while shared.reserve.is_held() && shared.closed.get().is_none() && Instant::now() < end {
        tokio::time::sleep(LULL).await;
        let newest = *shared.last_record.borrow();
        if newest == last {
            return;
        }
        last = newest;
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
    let session = shared.data.session();
    for range in &ranges {
        shared
            .data
            .trim(range.start, range.end - range.start)
            .await?;
    }
    if !ranges.is_empty() {
        shared.data.flush(session).await?;
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
    let session = shared.data.session();
    for range in dead.blocks {
        shared
            .data
            .trim(range.start, range.end - range.start)
            .await?;
    }
    shared.data.flush(session).await?;
    let full = freed.len() == BATCH;
    let trimmed = |FreedSpan { id, offset, .. }| TrimmedSpan { id, offset };
    let spans = freed.into_iter().map(trimmed).collect();
    let Some(messages) = messages.upgrade() else {
        return Ok(false);
    };
    let (answer, done) = oneshot::channel();
    let submission = Submission {
        change: Box::new(Change::Forget {
            spans,
            holes: dead.holes,
        }),
        answer,
    };
    // Refused, say for want of space, it is tried again once something changed.
    let sent = messages.send(Message::Submit(submission)).await.is_ok();
    let forgotten = sent && matches!(done.await, Ok(Ok(_)));
    Ok(full && forgotten)
}

/// Freed spans whose marks redb holds, and that nobody forgot since.
fn freed_spans(reader: &Reader, limit: usize) -> Result<Vec<FreedSpan>, IndexError> {
    let mut freed = Vec::new();
    // Not by way of the row cache: nobody asks for these rows again.
    let mut spans = reader.cursor(Table::Spans)?;
    for key in marks(reader, limit)? {
        spans.seek(key.clone());
        let row = spans.next()?.filter(|(found, _)| *found == key);
        let (_, row) = row.ok_or_else(|| IndexError("a span without a row was freed".into()))?;
        let Span { offset, length, .. } = Span::decode(&row)?;
        let id = span_id(&key)?;
        freed.push(FreedSpan { id, offset, length });
    }
    Ok(freed)
}

/// The keys of marks that redb holds and no memtable knows otherwise.
fn marks(reader: &Reader, limit: usize) -> Result<Vec<Bytes>, IndexError> {
    let mut marks = Vec::new();
    if kept(Rule::FoldBeforeTrim) {
        let stored = reader.stored_rows(Table::Freed)?.map(|(key, _)| key);
        let left = stored.filter(|key| reader.known_change(Table::Freed, key).is_none());
        marks.extend(left.take(limit));
    } else {
        let mut rows = reader.cursor(Table::Freed)?;
        while let Some((key, _)) = rows.next()? {
            marks.push(key);
        }
    }
    Ok(marks)
}

/// What freed spans leave.
struct Dead {
    /// The addresses of blocks in which everything is dead, joined where they touch.
    blocks: Vec<Range<u64>>,
    /// What is dead in blocks that must stay.
    holes: Vec<UnitHoles>,
}

fn dead_blocks(reader: &Reader, freed: &[FreedSpan]) -> Result<Dead, IndexError> {
    let mut neighbours = Neighbours {
        reader,
        spans: SpansByOffset::from(reader, 0)?,
        known: HashMap::new(),
    };
    let mut dead: BTreeMap<u64, u64> = BTreeMap::new();
    let mut holes: BTreeMap<u64, u64> = BTreeMap::new();
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
        let given_back = range
            .end
            .min(end)
            .saturating_sub(range.start.max(span.offset));
        if given_back < span.length {
            *holes.entry(span.offset / UNIT).or_default() += span.length - given_back;
        }
        if range.start < range.end {
            let end = dead.entry(range.start).or_default();
            *end = range.end.max(*end);
        }
    }
    let holes = holes.into_iter().map(|(unit, found)| UnitHoles {
        unit,
        counted: 0,
        found,
    });
    Ok(Dead {
        blocks: join(dead),
        holes: holes.collect(),
    })
}

/// Joins ranges of offsets where they touch, and makes addresses of them.
fn join(ranges: BTreeMap<u64, u64>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for (start, end) in ranges {
        let (start, end) = (DATA_ZONE + start, DATA_ZONE + end);
        match joined.last_mut() {
            Some(last) if start <= last.end => last.end = end.max(last.end),
            _ => joined.push(start..end),
        }
    }
    joined
}

/// Says whether a span that lives lies, in part, in a block; each block is looked at once.
struct Neighbours<'r> {
    reader: &'r Reader,
    spans: SpansByOffset<'r>,
    known: HashMap<u64, bool>,
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
        // A span that shares a block is no longer than a small body.
        self.spans.seek(block.saturating_sub(SMALL_BODY as u64))?;
        while let Some((id, span)) = self.spans.next()? {
            if span.offset >= block + BLOCK {
                return Ok(false);
            }
            let reaches = span.offset + span.length > block;
            if reaches && !self.is_freed(id)? && kept(Rule::Neighbours) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a durable record freed the span, folded or not: it is dead from then on, and only a
    /// read that began before may still need it.
    fn is_freed(&self, id: SpanId) -> Result<bool, IndexError> {
        Ok(self.reader.get(Table::Freed, &span_key(id))?.is_some())
    }
}
