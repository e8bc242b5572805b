//! What nothing lives in, of a range of the data zone.

use std::ops::Range;

use crate::format::layout::{BLOCK, DATA_ZONE, whole_blocks};
use crate::format::rows::Span;

/// The whole blocks that a span lies in, by address.
pub fn blocks_of(span: &Span) -> Range<u64> {
    let end = whole_blocks(span.offset + span.length);
    DATA_ZONE + span.offset / BLOCK * BLOCK..DATA_ZONE + end
}

/// What `live` leaves of `zone`.
pub fn gaps(zone: Range<u64>, mut live: Vec<Range<u64>>) -> Vec<Range<u64>> {
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
