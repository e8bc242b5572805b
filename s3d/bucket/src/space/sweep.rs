//! The sweep: what a crash left in the data zone and nothing names is TRIMmed (B8).
//!
//! A body whose record never came lies between the floor of the last checkpoint and the high-water
//! mark. Nothing is handed out below that mark any more, so the sweep runs while the bucket serves.

use std::ops::Range;
use std::sync::Arc;

use crate::errors::ClosedError;
use crate::format::layout::{BLOCK, DATA_ZONE, whole_blocks};
use crate::format::rows::{Row, Span, Table, span_key};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::SpanId;
use crate::shared::Shared;

/// TRIMs what lies in `zone` and is neither in `live` nor in a span.
pub async fn run(shared: Arc<Shared>, zone: Range<u64>, live: Vec<Range<u64>>) {
    if let Err(error) = sweep(&shared, zone, live).await {
        // The next open tries again: the floor moves only with the next checkpoint.
        tracing::warn!(%error, "what the last crash left is not given back for now");
    }
}

async fn sweep(
    shared: &Arc<Shared>,
    zone: Range<u64>,
    mut live: Vec<Range<u64>>,
) -> Result<(), ClosedError> {
    let start = zone.start;
    let spans = shared
        .index
        .read(move |reader| spans_from(reader, start))
        .await?;
    live.extend(spans);
    for gap in gaps(zone, live) {
        shared.data.trim(gap.start, gap.end - gap.start).await?;
    }
    Ok(shared.data.flush().await?)
}

/// The blocks of every span that lies at or behind `address`, those marked freed too: they are the
/// trimmer's.
fn spans_from(reader: &Reader, address: u64) -> Result<Vec<Range<u64>>, IndexError> {
    let mut ranges = Vec::new();
    let mut cursor = reader.cursor(Table::Spans)?;
    cursor.seek(span_key(SpanId(address - DATA_ZONE)));
    while let Some((_, value)) = cursor.next()? {
        let span = Span::decode(&value)?;
        let end = DATA_ZONE + whole_blocks(span.offset + span.length);
        ranges.push(DATA_ZONE + span.offset / BLOCK * BLOCK..end);
    }
    Ok(ranges)
}

/// What `live` leaves of `zone`.
fn gaps(zone: Range<u64>, mut live: Vec<Range<u64>>) -> Vec<Range<u64>> {
    live.sort_unstable_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut at = zone.start;
    for range in live {
        if range.start > at {
            gaps.push(at..range.start.min(zone.end));
        }
        at = at.max(range.end);
        if at >= zone.end {
            return gaps;
        }
    }
    gaps.push(at..zone.end);
    gaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gaps_are_what_is_not_live(
            start in 0u64..50,
            length in 1u64..100,
            live in proptest::collection::vec((0u64..150, 1u64..20), 0..10),
        ) {
            let zone = start..start + length;
            let live: Vec<_> = live.into_iter().map(|(at, length)| at..at + length).collect();
            let gaps = gaps(zone.clone(), live.clone());
            for at in 0..300 {
                let dead = zone.contains(&at) && !live.iter().any(|range| range.contains(&at));
                prop_assert_eq!(gaps.iter().any(|range| range.contains(&at)), dead, "{}", at);
            }
        }
    }
}
