//! What to fetch for the reads of one opener, and how far ahead.
//!
//! Reads that follow one another are a stream: what lies ahead is fetched in chunks, in parallel, and
//! further ahead the longer the stream goes on. Any other read fetches what it asked for and no more.

use std::collections::BTreeMap;
use std::ops::Range;

/// How far from where a stream stands a read may be and belong to it: the kernel sends the reads of
/// its own read-ahead in any order.
const NEAR: u64 = 2 << 20;
/// First window of a stream.
const FIRST: u64 = 1 << 20;
/// Longest chunk.
const LONGEST_CHUNK: u64 = 4 << 20;
/// Shortest chunk of a stream.
const SHORTEST_CHUNK: u64 = 1 << 20;

/// Follows the reads of one opener. Chunks are known by their first byte.
#[derive(Debug)]
pub struct Prefetch {
    /// Most bytes to be ahead.
    limit: u64,
    /// Behind the furthest byte that the stream has read.
    stream: u64,
    /// How far to be ahead of it.
    window: u64,
    /// The chunks that were asked for and may still be read: start to end.
    chunks: BTreeMap<u64, u64>,
}

/// What a read makes necessary.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fetches {
    /// Chunks to be fetched now, in the order in which they will be read.
    pub fetch: Vec<Range<u64>>,
    /// Chunks that nobody will read any more, by their first byte.
    pub forget: Vec<u64>,
    /// The chunks that have the bytes of the read, in order.
    pub read: Vec<Range<u64>>,
}

impl Prefetch {
    /// `limit`: most bytes to fetch ahead.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            stream: 0,
            window: 0,
            chunks: BTreeMap::new(),
        }
    }

    /// From now on, most bytes to fetch ahead.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Bytes `range` of a file of `size` bytes are read.
    pub fn read(&mut self, range: Range<u64>, size: u64) -> Fetches {
        let range = range.start.min(size)..range.end.min(size);
        let mut fetches = Fetches::default();
        if range.is_empty() {
            return fetches;
        }
        let follows = range.start.abs_diff(self.stream) <= NEAR;
        if follows {
            self.go_on(&range, size, &mut fetches);
        } else {
            self.begin_anew(&range, &mut fetches);
        }
        self.cover(&range, &mut fetches);
        fetches.read = self.having(&range);
        fetches
    }

    /// A chunk is at hand that no read made necessary.
    pub fn have(&mut self, chunk: Range<u64>) {
        self.chunks.insert(chunk.start, chunk.end);
    }

    /// A chunk was not to be had.
    pub fn failed(&mut self, start: u64) {
        self.chunks.remove(&start);
    }

    fn go_on(&mut self, range: &Range<u64>, size: u64, fetches: &mut Fetches) {
        if range.end > self.stream {
            self.stream = range.end;
            // A file's first read says little of the next.
            self.window = (self.window * 2).max(FIRST).min(self.limit);
        }
        self.forget_before(self.stream.saturating_sub(NEAR), fetches);
        let goal = (self.stream + self.window).min(size);
        let ahead = self.chunks.last_key_value().map_or(range.start, |it| *it.1);
        let mut at = ahead.max(range.start);
        let chunk = (self.window / 4).clamp(SHORTEST_CHUNK, LONGEST_CHUNK);
        // Nothing is asked for before a chunk is worth it, or the file ends.
        while at < goal && (goal - at >= chunk || goal == size || at < range.end) {
            let next = at..(at + chunk).min(size);
            at = next.end;
            self.chunks.insert(next.start, next.end);
            fetches.fetch.push(next);
        }
    }

    fn begin_anew(&mut self, range: &Range<u64>, fetches: &mut Fetches) {
        // What a chunk has is not fetched again, however it is come by.
        if !self.missing(range).is_empty() {
            self.forget_before(u64::MAX, fetches);
        }
        self.stream = range.end;
        self.window = 0;
    }

    /// Fetches what no chunk has.
    fn cover(&mut self, range: &Range<u64>, fetches: &mut Fetches) {
        for missing in self.missing(range) {
            self.chunks.insert(missing.start, missing.end);
            fetches.fetch.push(missing);
        }
    }

    fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = range.start;
        for chunk in self.having(range) {
            if chunk.start > at {
                missing.push(at..chunk.start);
            }
            at = chunk.end;
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }

    fn having(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let before = self.chunks.range(..=range.start).next_back();
        let first = before.map_or(range.start, |(&start, _)| start);
        let near = self.chunks.range(first..range.end);
        near.map(|(&start, &end)| start..end)
            .filter(|chunk| chunk.end > range.start)
            .collect()
    }

    fn forget_before(&mut self, at: u64, fetches: &mut Fetches) {
        let passed = self.chunks.iter().filter(|(_, end)| **end <= at);
        let passed: Vec<u64> = passed.map(|(&start, _)| start).collect();
        for start in passed {
            self.chunks.remove(&start);
            fetches.forget.push(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 32 << 20;
    const STEP: u64 = 128 << 10;

    #[test]
    fn a_stream_is_fetched_once_and_further_ahead() {
        let size = 200 << 20;
        let mut prefetch = Prefetch::new(LIMIT);
        let mut fetched = 0;
        let mut furthest = 0;
        for at in (0..size).step_by(STEP as usize) {
            for chunk in prefetch.read(at..at + STEP, size).fetch {
                assert_eq!(chunk.start, fetched);
                fetched = chunk.end;
                assert!(chunk.end - chunk.start <= LONGEST_CHUNK);
            }
            assert!(fetched <= at + STEP + LIMIT);
            furthest = furthest.max(fetched - at);
        }
        assert_eq!(fetched, size);
        assert!(furthest > LIMIT - LONGEST_CHUNK);
    }

    #[test]
    fn random_reads_waste_nothing() {
        let mut prefetch = Prefetch::new(LIMIT);
        for at in [100 << 20, 50 << 20, 400 << 20, 10 << 20] {
            let fetches = prefetch.read(at..at + 4096, 1 << 30);
            assert_eq!(fetches.fetch, std::slice::from_ref(&(at..at + 4096)));
        }
    }

    #[test]
    fn a_small_file_is_fetched_with_its_first_read() {
        let mut prefetch = Prefetch::new(LIMIT);
        let fetches = prefetch.read(0..4096, 70_000);
        assert_eq!(fetches.fetch, std::slice::from_ref(&(0..70_000)));
        assert!(prefetch.read(65_536..131_072, 70_000).fetch.is_empty());
        assert_eq!(prefetch.read(70_000..70_001, 70_000), Fetches::default());
    }

    #[test]
    fn what_is_at_hand_is_not_fetched() {
        let mut prefetch = Prefetch::new(LIMIT);
        prefetch.have(0..5000);
        let fetches = prefetch.read(0..4096, 5000);
        let has = 0..5000;
        assert_eq!((fetches.fetch, fetches.read), (vec![], vec![has]));
    }

    proptest! {
        /// Whatever is read, its chunks have all of it, and each is one that was asked for and neither
        /// failed nor was forgotten.
        #[test]
        fn every_read_is_covered(
            size in 1..64_u64 << 20,
            reads in prop::collection::vec((0..1000_u64, 1..1_u64 << 20, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let mut prefetch = Prefetch::new(LIMIT);
            let mut held: BTreeMap<u64, u64> = BTreeMap::new();
            let mut last = 0;
            for (at, length, sequential, fails) in reads {
                let start: u64 = if sequential { last } else { size * at / 1000 };
                let start = start.min(size - 1);
                let range = start..(start + length).min(size);
                let fetches = prefetch.read(range.clone(), size);
                for start in fetches.forget {
                    prop_assert!(held.remove(&start).is_some());
                }
                for chunk in fetches.fetch {
                    prop_assert!(chunk.end <= size && !chunk.is_empty());
                    prop_assert!(held.insert(chunk.start, chunk.end).is_none());
                }
                let mut at = range.start;
                for chunk in &fetches.read {
                    prop_assert_eq!(held.get(&chunk.start), Some(&chunk.end));
                    prop_assert!(chunk.start <= at);
                    at = chunk.end;
                }
                prop_assert!(at >= range.end);
                last = range.end;
                if fails && let Some(chunk) = fetches.read.first() {
                    prefetch.failed(chunk.start);
                    held.remove(&chunk.start);
                }
            }
        }
    }
}
