//! The compactor: rewrites units of the log that are mostly holes (B8).
//!
//! Small bodies share blocks, so one that lives keeps its dead neighbours' space. The trimmer counts,
//! by unit, what it could not give back. A unit in which most is dead is emptied: its living spans
//! travel in a new group, which changes the span's own row only (B6), and only if it still lies
//! where it was read. When no read needs the old bytes any more (B7), the unit is TRIMmed.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::CHECKED_RUN;
use crate::commit::change::{Change, SpanMove, UnitHoles};
use crate::commit::messages::{Message, Submission};
use crate::errors::ClosedError;
use crate::format::crc::crc32c;
use crate::format::layout::{BLOCK, DATA_ZONE, SMALL_BODY, UNIT};
use crate::format::rows::{Holes, Row, Span, Table, offset_of, span_key};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::SpanId;
use crate::shared::Shared;
use crate::space::by_offset::SpansByOffset;
use crate::space::gaps::{blocks_of, gaps};

/// A unit is looked at when at least so many more bytes in it are held in vain than the last time.
const WORTH_A_LOOK: u64 = 2 * BLOCK;

/// A unit is rewritten when what lives is less than so many hundredths of what is held for it.
const SPARSE: u64 = 60;

/// Units handled together: they wait for the reads under way once.
const UNITS: usize = 32;

/// TRIMs without a pause.
const TRIMS: usize = 32;

/// Bodies that are moved in one change, in bytes.
const MOVED_AT_ONCE: usize = 256 << 10;

/// Between two changes: clients go first.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs until the bucket closes.
pub async fn run(shared: Arc<Shared>, messages: mpsc::WeakSender<Message>) {
    let mut compactor = Compactor {
        shared: shared.clone(),
        messages,
        looked: HashMap::new(),
    };
    while shared.closed.get().is_none() {
        let folded = shared.folded.notified();
        loop {
            match compactor.step().await {
                Ok(true) => tokio::time::sleep(PAUSE).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "sparse space is not rewritten; the next fold tries again");
                    break;
                }
            }
        }
        folded.await;
    }
}

struct Compactor {
    shared: Arc<Shared>,
    messages: mpsc::WeakSender<Message>,
    /// By unit, the bytes held in vain when it was found not worth rewriting.
    looked: HashMap<u64, u64>,
}

/// What a look at a unit found.
struct Unit {
    /// What lives and begins in it.
    spans: Vec<(SpanId, Span)>,
    /// Blocks that must stay as long as what lives stays where it is.
    kept: Vec<Range<u64>>,
    /// Bytes of `kept` beyond what lives.
    holes: u64,
    sparse: bool,
}

impl Compactor {
    /// Looks at some units, and rewrites those where that is worth it; false when there is no more
    /// to do until the next fold.
    async fn step(&mut self) -> Result<bool, ClosedError> {
        let (looked, swept) = (self.looked.clone(), self.shared.space.swept());
        let next = move |reader: &Reader| next_units(reader, &looked, swept);
        let units = self.shared.index.read(next).await?;
        if units.is_empty() {
            return Ok(false);
        }
        for (unit, _) in &units {
            let found = self.look(*unit).await?;
            if found.sparse && !self.rewrite(*unit, found.spans).await? {
                return Ok(false);
            }
        }
        let holes = self.give_back(&units).await?;
        let spans = Vec::new();
        self.submit(Change::Forget { spans, holes }).await
    }

    async fn look(&self, unit: u64) -> Result<Unit, IndexError> {
        self.shared
            .index
            .read(move |reader| look(reader, unit))
            .await
    }

    /// TRIMs what is dead in units, and says what is still held in vain.
    async fn give_back(&mut self, units: &[(u64, u64)]) -> Result<Vec<UnitHoles>, ClosedError> {
        let mut dead = Vec::new();
        let mut holes = Vec::new();
        for &(unit, counted) in units {
            let found = self.look(unit).await?;
            dead.extend(gaps(range(unit), found.kept));
            self.looked.insert(unit, found.holes);
            let found = found.holes;
            holes.push(UnitHoles {
                unit,
                counted,
                found,
            });
        }
        // What lives now keeps its blocks; what does not may still be read under an earlier pin.
        self.shared.pins.wait_for_earlier().await;
        let session = self.shared.data.session();
        for (done, gap) in dead.into_iter().enumerate() {
            self.shared
                .data
                .trim(gap.start, gap.end - gap.start)
                .await?;
            if done % TRIMS == TRIMS - 1 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.shared.data.flush(session).await?;
        Ok(holes)
    }

    /// Has what lives in a unit written elsewhere; false when it was refused.
    async fn rewrite(&self, unit: u64, spans: Vec<(SpanId, Span)>) -> Result<bool, ClosedError> {
        let start = range(unit).start;
        let length = UNIT as usize + SMALL_BODY;
        let bytes = self.shared.data.read(start, length).await?;
        let mut moves = Vec::new();
        let mut taken = 0;
        for (id, span) in spans {
            let at = (DATA_ZONE + span.offset - start) as usize;
            let body = bytes.slice(at..at + span.length as usize);
            if !is_whole(&span, &body) {
                // It stays where it is, and who reads it learns of the damage.
                tracing::error!(address = DATA_ZONE + span.offset, "a body is damaged");
                continue;
            }
            taken += body.len();
            let from = span.offset;
            // A body of its own: the unit's bytes are not held until the change is made.
            let body = Bytes::copy_from_slice(&body);
            moves.push(SpanMove { id, from, body });
            if taken >= MOVED_AT_ONCE {
                if !self.move_spans(&mut moves).await? {
                    return Ok(false);
                }
                taken = 0;
            }
        }
        self.move_spans(&mut moves).await
    }

    async fn move_spans(&self, moves: &mut Vec<SpanMove>) -> Result<bool, ClosedError> {
        let spans = std::mem::take(moves);
        if spans.is_empty() {
            return Ok(true);
        }
        let moved = self.submit(Change::Move { spans }).await?;
        tokio::time::sleep(PAUSE).await;
        Ok(moved)
    }

    /// Whether the change was made; a full pool refuses, and the bucket may have ended.
    async fn submit(&self, change: Change) -> Result<bool, ClosedError> {
        let Some(messages) = self.messages.upgrade() else {
            return Ok(false);
        };
        let (answer, done) = oneshot::channel();
        let change = Box::new(change);
        let sent = messages.send(Message::Submit(Submission { change, answer }));
        Ok(sent.await.is_ok() && matches!(done.await, Ok(Ok(_))))
    }
}

fn range(unit: u64) -> Range<u64> {
    DATA_ZONE + unit * UNIT..DATA_ZONE + (unit + 1) * UNIT
}

/// The first units below `swept` that are worth a look, with the bytes counted in them.
fn next_units(
    reader: &Reader,
    looked: &HashMap<u64, u64>,
    swept: u64,
) -> Result<Vec<(u64, u64)>, IndexError> {
    let mut units = Vec::new();
    let mut rows = reader.cursor(Table::Holes)?;
    while let Some((key, row)) = rows.next()? {
        let unit = offset_of(&key)?;
        if range(unit).end > swept || units.len() == UNITS {
            break;
        }
        let Holes { bytes } = Holes::decode(&row)?;
        if bytes >= looked.get(&unit).unwrap_or(&0) + WORTH_A_LOOK {
            units.push((unit, bytes));
        }
    }
    Ok(units)
}

fn look(reader: &Reader, unit: u64) -> Result<Unit, IndexError> {
    let range = range(unit);
    let mut found = Unit {
        spans: Vec::new(),
        kept: Vec::new(),
        holes: 0,
        sparse: false,
    };
    let (mut blocks, mut live) = (BTreeSet::new(), 0);
    // Segments hold whole units, and only small bodies: none that begins earlier reaches into this.
    let from = (range.start - DATA_ZONE).saturating_sub(SMALL_BODY as u64);
    let mut spans = SpansByOffset::from(reader, from)?;
    while let Some((id, span)) = spans.next()? {
        let of_span = blocks_of(&span);
        if of_span.start >= range.end {
            break;
        }
        let end = DATA_ZONE + span.offset + span.length;
        if end <= range.start || reader.get(Table::Freed, &span_key(id))?.is_some() {
            continue;
        }
        blocks.extend(
            of_span
                .clone()
                .step_by(BLOCK as usize)
                .filter(|block| range.contains(block)),
        );
        found.kept.push(of_span);
        let begin = DATA_ZONE + span.offset;
        live += end.min(range.end) - begin.max(range.start);
        if range.contains(&begin) && span.length <= SMALL_BODY as u64 {
            found.spans.push((id, span));
        }
    }
    let held = blocks.len() as u64 * BLOCK;
    found.holes = held - live.min(held);
    found.sparse = live * 100 < held * SPARSE;
    Ok(found)
}

fn is_whole(span: &Span, body: &[u8]) -> bool {
    let runs = body.chunks(CHECKED_RUN as usize);
    runs.len() == span.sums.len() && runs.zip(&span.sums).all(|(run, sum)| crc32c(run) == *sum)
}
