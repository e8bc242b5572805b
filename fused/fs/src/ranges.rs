//! Sets of byte ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Byte ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range; what overlaps or touches it becomes one with it.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            start = start.min(from);
            end = end.max(to);
            self.0.remove(&from);
        }
        self.0.insert(start, end);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&from, &to)) = self.0.range(..range.end).next_back() {
            if to <= range.start {
                break;
            }
            self.0.remove(&from);
            if to > range.end {
                self.0.insert(range.end, to);
            }
            if from < range.start {
                self.0.insert(from, range.start);
                break;
            }
        }
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&start, &end)| start..end)
    }

    /// The parts of `range`, in order: each with whether it is in the set.
    pub fn split(&self, range: Range<u64>) -> Vec<(Range<u64>, bool)> {
        let mut parts = Vec::new();
        let mut at = range.start;
        let before = self.0.range(..=range.start).next_back();
        let first = before.map_or(range.start, |(&from, _)| from);
        for (&from, &to) in self.0.range(first..) {
            if from >= range.end {
                break;
            }
            let (from, to) = (from.max(at), to.min(range.end));
            if to <= from {
                continue;
            }
            if from > at {
                parts.push((at..from, false));
            }
            parts.push((from..to, true));
            at = to;
        }
        if at < range.end {
            parts.push((at..range.end, false));
        }
        parts
    }

    /// Whether every byte of `range` is in the set.
    pub fn contains(&self, range: Range<u64>) -> bool {
        self.split(range).iter().all(|(_, within)| *within)
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes there are.
    pub fn total(&self) -> u64 {
        self.iter().map(|range| range.end - range.start).sum()
    }

    /// From the first byte to behind the last.
    pub fn bounds(&self) -> Option<Range<u64>> {
        let start = *self.0.first_key_value()?.0;
        let end = *self.0.last_key_value()?.1;
        Some(start..end)
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(ranges: T) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0..60_u64, 0..20_u64).prop_map(|(start, length)| start..start + length)
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_bytes(changes in prop::collection::vec((any::<bool>(), range()), 0..30), asked in range()) {
            let mut ranges = Ranges::default();
            let mut model = [false; 100];
            for (insert, range) in changes {
                model[range.start as usize..range.end as usize].fill(insert);
                if insert {
                    ranges.insert(range);
                } else {
                    ranges.remove(range);
                }
            }
            let listed: Vec<_> = ranges.iter().collect();
            for pair in listed.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            let bytes = (0..100).filter(|at| listed.iter().any(|range| range.contains(at)));
            let expected = (0..100).filter(|at| model[*at as usize]);
            prop_assert!(bytes.eq(expected));
            let mut at = asked.start;
            for (part, within) in ranges.split(asked.clone()) {
                prop_assert_eq!(part.start, at);
                prop_assert!(part.clone().all(|byte| model[byte as usize] == within));
                at = part.end;
            }
            prop_assert_eq!(at, asked.end);
            let all = asked.clone().all(|byte| model[byte as usize]);
            prop_assert_eq!(ranges.contains(asked), all);
        }
    }
}
