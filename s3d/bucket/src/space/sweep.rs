//! The sweep: what lies in the data zone and nothing names is TRIMmed (B8).
//!
//! That is the log's own blocks, once redb holds their records: headers, records, and what pads
//! them. And at open also what a crash left: bodies whose record never came lie between the floor of
//! the last checkpoint and the high-water mark.
//!
//! It goes through the zone once, from low to high. How far it came is the floor of the next
//! checkpoint, so that what it did not reach is swept after a crash.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::errors::ClosedError;
use crate::format::layout::{BLOCK, DATA_ZONE, SEGMENT};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::rules::{Rule, kept};
use crate::shared::Shared;
use crate::space::by_offset::SpansByOffset;
use crate::space::gaps::{blocks_of, gaps};

/// Spans looked at together.
const WINDOW: usize = 4096;

/// Gaps TRIMmed without a pause …
const TRIMS: usize = 32;

/// … of this length: what clients wait for goes first.
const PAUSE: Duration = Duration::from_millis(10);

/// What an opening found.
pub struct Beginning {
    /// From the floor of the last checkpoint to the high-water mark.
    pub zone: Range<u64>,
    /// Where the groups lie that were replayed: redb does not hold them.
    pub replayed: Vec<Range<u64>>,
    /// Where the next group goes.
    pub next_segment: u64,
}

/// Runs until the bucket closes.
pub async fn run(shared: Arc<Shared>, beginning: Beginning) {
    let Beginning {
        zone,
        mut replayed,
        next_segment,
    } = beginning;
    let first = replayed.first().map_or(next_segment, |group| group.start);
    replayed.push(next_segment..next_segment + SEGMENT);
    let mut due = Some((zone, replayed, first));
    loop {
        let folded = shared.folded.notified();
        if shared.closed.get().is_some() {
            return;
        }
        let swept = match &due {
            Some((zone, live, _)) => sweep_opened(&shared, zone, live).await,
            None => sweep_folded(&shared).await,
        };
        match swept {
            Ok(()) => {
                if let Some((.., swept)) = due.take() {
                    shared.space.set_swept(swept);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the log's space is not given back; the next fold tries again");
            }
        }
        folded.await;
    }
}

/// Sweeps what was there at open.
async fn sweep_opened(
    shared: &Arc<Shared>,
    zone: &Range<u64>,
    live: &[Range<u64>],
) -> Result<(), ClosedError> {
    shared.space.begin_log().await?;
    sweep(shared, zone.clone(), live.to_vec()).await
}

/// Sweeps what the log left behind since the last time.
async fn sweep_folded(shared: &Arc<Shared>) -> Result<(), ClosedError> {
    let zone = shared.space.swept()..shared.space.begin_log().await?;
    if zone.start < zone.end {
        // Claims first, spans later: a body between the two is met as either.
        let claims = if kept(Rule::ClaimsInSweep) {
            shared.space.claims()
        } else {
            Vec::new()
        };
        let end = zone.end;
        sweep(shared, zone, claims).await?;
        shared.space.set_swept(end);
    }
    Ok(())
}

/// TRIMs what lies in `zone` and is neither in `live` nor in a span.
async fn sweep(
    shared: &Arc<Shared>,
    zone: Range<u64>,
    live: Vec<Range<u64>>,
) -> Result<(), ClosedError> {
    let mut at = zone.start;
    let mut trims = 0;
    let session = shared.data.session();
    while at < zone.end {
        let end = zone.end;
        let (mut named, end) = shared
            .index
            .read(move |reader| window(reader, at, end))
            .await?;
        if kept(Rule::LogInSweep) {
            named.extend_from_slice(&live);
        }
        for gap in gaps(at..end, named) {
            shared.data.trim(gap.start, gap.end - gap.start).await?;
            trims += 1;
            if trims % TRIMS == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        at = end;
    }
    Ok(shared.data.flush(session).await?)
}

/// The blocks of the spans from `from` on, those marked freed too (they are the trimmer's), and up
/// to where that is all of them: `to`, or the block in which one more span begins.
fn window(reader: &Reader, from: u64, to: u64) -> Result<(Vec<Range<u64>>, u64), IndexError> {
    let mut named = Vec::new();
    let mut spans = SpansByOffset::from(reader, from - DATA_ZONE)?;
    while let Some((_, span)) = spans.next()? {
        let blocks = blocks_of(&span);
        if blocks.start >= to {
            break;
        }
        if named.len() >= WINDOW && blocks.start > from + BLOCK {
            return Ok((named, blocks.start));
        }
        named.push(blocks);
    }
    Ok((named, to))
}
