//! Writing into objects, by a client.

use std::iter;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use s3d_bucket::{Condition, Key, Patch};

use super::client::{Client, End, body, etag};
use super::model::{RUN, STRIPES, bytes};

/// Longest value that is written into: each run of it is a range.
const LONGEST: usize = 60_000;

impl Client {
    /// Writes into an object of its own, several times, and some of them behind it as well.
    pub async fn patch(&mut self, key: &str) -> Result<(), End> {
        for _ in 0..self.rng.random_range(1..=3) {
            let before = self.model.borrow().get(key);
            let Some(before) = before.filter(|before| (1..LONGEST).contains(&before.0)) else {
                return Ok(());
            };
            let more = match self.rng.random_range(0..3) {
                0 => self.rng.random_range(1..3_000),
                _ => 0,
            };
            let stripe = self.rng.random_range(0..STRIPES);
            let after = (before.0 + more, before.1 ^ 1 << stripe);
            self.patch_once(key, before, after, stripe).await?;
        }
        Ok(())
    }

    async fn patch_once(
        &mut self,
        key: &str,
        before: (usize, u8),
        after: (usize, u8),
        stripe: usize,
    ) -> Result<(), End> {
        let ranges = ranges(before.0, after.0, stripe);
        if ranges.is_empty() {
            return Ok(());
        }
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        self.model.borrow_mut().begin(key, Some(after));
        let found = self.bucket.find(&name).await?;
        let found = found.ok_or_else(|| End::Wrong(format!("{key} is gone")))?;
        let whole = bytes(after);
        let pieces = ranges
            .iter()
            .map(|it| &whole[it.start as usize..it.end as usize]);
        let pieces: Bytes = pieces.flatten().copied().collect::<BytesMut>().freeze();
        let patch = Patch {
            ranges,
            onto: found.sequence,
            etag: etag(after),
            checksum: None,
            headers: None,
            metadata: None,
        };
        let done = async {
            let body = body(&self.bucket, pieces, self.rng.random()).await?;
            let condition = Condition::default();
            let patched = self.bucket.patch(name, patch, body, condition);
            patched.await.map(drop)
        };
        let done = done.await;
        self.settle(key, Some(after), done)
    }
}

/// What differs between two values of which one has a stripe that the other has not, and is longer.
fn ranges(before: usize, after: usize, stripe: usize) -> Vec<Range<u64>> {
    let runs = (stripe * RUN..before).step_by(STRIPES * RUN);
    let runs = runs.map(|start| start..(start + RUN).min(before));
    let mut ranges: Vec<_> = runs.map(|run| run.start as u64..run.end as u64).collect();
    let behind = before as u64..after as u64;
    ranges.extend(iter::once(behind).filter(|behind| !behind.is_empty()));
    ranges
}
