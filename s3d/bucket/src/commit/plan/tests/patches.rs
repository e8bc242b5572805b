//! Writing into objects, on rows in memory.
#![expect(clippy::single_range_in_vec_init, reason = "one range is written")]

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::commit::plan::patches::MAX_PIECES;
use crate::requests::Patch;

fn patch(seen: &Object, name: &str, ranges: &[Range<u64>]) -> Change {
    let length = ranges
        .iter()
        .map(|range| range.end - range.start)
        .sum::<u64>();
    Change::Patch {
        key: key(name),
        patch: Patch {
            ranges: ranges.to_vec(),
            onto: seen.sequence,
            etag: "patched".into(),
            checksum: None,
            headers: None,
            metadata: Some(vec![("m".into(), "n".into())]),
        },
        body: Body::Small(vec![7; length as usize].into()),
        condition: Condition::default(),
    }
}

/// The span of each byte of an object, and where in it.
fn bytes(rows: &Rows, name: &str) -> Vec<(u64, u64)> {
    let slices = rows.slices(name);
    let bytes = slices.iter().flat_map(|slice| {
        let range = slice.offset..slice.offset + slice.length;
        range.map(|at| (slice.span.0, at))
    });
    bytes.collect()
}

/// Writes, and asks whether just that was written.
fn write(rows: &mut Rows, name: &str, ranges: &[Range<u64>]) {
    let mut expected = bytes(rows, name);
    let first = rows.context.address - DATA_ZONE;
    let change = patch(&rows.object(name), name, ranges);
    rows.one(change).unwrap();
    let held = bytes(rows, name);
    let fresh = held.iter().map(|byte| byte.0).filter(|span| *span >= first);
    let span = fresh.min().unwrap();
    for (taken, at) in (0..).zip(ranges.iter().cloned().flatten()) {
        expected.resize(expected.len().max(at as usize + 1), (0, 0));
        expected[at as usize] = (span, taken);
    }
    assert_eq!(held, expected);
}

#[test]
fn an_object_that_is_written_into_keeps_the_rest() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    write(&mut rows, "a", &[0..1, 4..6, 9..12]);
    let after = rows.object("a");
    assert_eq!((after.size, rows.context.totals.object_bytes), (12, 12));
    assert_eq!(after.attributes.etag, "patched");
    assert_eq!(after.attributes.metadata, [("m".into(), "n".into())]);
    // All of it: what was there before has no use any more.
    write(&mut rows, "a", &[0..12]);
    assert_eq!(rows.slices("a").len(), 1);
    assert_eq!(rows.count(Table::Freed), 2);
}

#[test]
fn what_is_no_order_of_ranges_is_refused() {
    let mut rows = Rows::new();
    let seen = rows.put("a", 10);
    for ranges in [
        &[][..],
        &[3..3],
        &[11..12],
        &[2..4, 3..5],
        &[5..6, 1..2],
        &[8..12, 13..14],
    ] {
        let refused = rows.one(patch(&seen, "a", ranges)).unwrap_err();
        assert_eq!(refused, ChangeError::InvalidRange, "{ranges:?}");
    }
    let mut short = patch(&seen, "a", &[0..3]);
    if let Change::Patch { body, .. } = &mut short {
        *body = Body::Small(vec![7; 2].into());
    }
    assert_eq!(rows.one(short).unwrap_err(), ChangeError::InvalidRange);
    let nothing = patch(&seen, "b", &[0..1]);
    assert_eq!(rows.one(nothing).unwrap_err(), ChangeError::NoSuchKey);
    rows.put("a", 10);
    let late = patch(&seen, "a", &[0..1]);
    let other = ChangeError::ConditionFailed(Precondition::Sequence);
    assert_eq!(rows.one(late).unwrap_err(), other);
}

#[test]
fn many_writes_cost_no_more_than_the_first() {
    let mut rows = Rows::new();
    rows.object_of("a", 3000);
    let mut most = 0;
    for n in 0..4 * MAX_PIECES as u64 {
        let at = n * 7919 % 2999;
        let change = patch(&rows.object("a"), "a", &[at..at + 1]);
        let planned = plan([&change], [], &rows.fixed, rows.context).unwrap();
        let mutations = planned.records.iter().flatten();
        let changed = mutations.filter(|it| it.table == Table::Shares).count();
        most = most.max(changed);
        rows.one(change).unwrap();
        assert!(rows.object("a").pieces() <= MAX_PIECES);
    }
    assert!(most < 3 * MAX_PIECES, "{most}");
}

proptest! {
    #[test]
    fn writes_copies_and_appends_leave_nothing_behind(
        steps in proptest::collection::vec(
            (any::<bool>(), 0_u8..10, proptest::collection::vec((0_u64..30, 1_u64..9), 1..12)),
            1..40,
        ),
        slices in prop_oneof![Just(1_usize), Just(5), Just(MAX_INLINE_SLICES + 9)],
    ) {
        let mut rows = Rows::new();
        rows.object_of("a", slices);
        rows.put("b", 20);
        for (first, what, writes) in steps {
            let (name, other) = if first { ("a", "b") } else { ("b", "a") };
            if what == 0 {
                rows.one(copy(name, other)).unwrap();
                continue;
            }
            let size = rows.object(name).size;
            let (mut at, mut ranges) = (0, Vec::new());
            for (gap, length) in writes {
                // Some reach across all of it.
                let start = (at + gap * size / 60).min(size.max(at));
                at = start + length;
                ranges.push(start..at);
            }
            write(&mut rows, name, &ranges);
        }
        let copied = bytes(&rows, "b");
        rows.one(delete("a")).unwrap();
        rows.release_all();
        prop_assert_eq!(bytes(&rows, "b"), copied);
        rows.plan(&[delete("b"), delete("bytes")]);
        rows.release_all();
        rows.assert_empty();
    }
}
