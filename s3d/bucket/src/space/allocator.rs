//! The data zone's space: addresses are handed out once, in order, and never again (B8).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::executor::block_on;
use parking_lot::Mutex;
use tokio::sync::Notify;
use volumed_client::DeviceError;

use crate::format::layout::{BLOCK, MARK_STEP, SEGMENT, whole_blocks};
use crate::format::superblock::{Fields, Superblock};
use crate::log::position::Position;
use crate::offload::Offload;
use crate::rules::{Rule, kept};

pub struct Space {
    superblock: Arc<Superblock>,
    offload: Offload,
    state: Mutex<State>,
    raising: tokio::sync::Mutex<()>,
    folded: Mutex<Folded>,
    /// Below it nothing is left that nobody names, but what the trimmer knows of.
    swept: AtomicU64,
    /// Told when a claim was given up.
    pub abandoned: Notify,
}

struct State {
    next: u64,
    mark: u64,
    /// Claims that no record names yet, and those that were given up and not TRIMmed: where they
    /// begin and end.
    claimed: BTreeMap<u64, u64>,
    abandoned: Vec<Range<u64>>,
}

/// How far the log is in redb, and was before the last fold.
#[derive(Clone, Copy)]
struct Folded {
    last: Position,
    before: Position,
}

/// Space for a body until a record names it (B8). Dropped before that, it is TRIMmed.
pub struct Claim {
    space: Arc<Space>,
    range: Range<u64>,
    named: AtomicBool,
}

impl Space {
    /// Hands out addresses from `mark` on: everything below may have been written. `applied`: how
    /// far the log is in redb.
    pub fn new(
        superblock: Arc<Superblock>,
        offload: Offload,
        mark: u64,
        applied: Position,
    ) -> Self {
        let state = State {
            next: mark,
            mark,
            claimed: BTreeMap::new(),
            abandoned: Vec::new(),
        };
        Self {
            superblock,
            offload,
            state: Mutex::new(state),
            raising: tokio::sync::Mutex::new(()),
            folded: Mutex::new(Folded {
                last: applied,
                before: applied,
            }),
            swept: AtomicU64::new(applied.floor),
            abandoned: Notify::new(),
        }
    }

    /// The address of a fresh segment for the log. The high-water mark is durable behind it when
    /// this returns (B8).
    pub async fn allocate_segment(&self) -> Result<u64, DeviceError> {
        Ok(self.take(SEGMENT, SEGMENT, false).await?.start)
    }

    /// The same for a body of `length` bytes, in whole blocks.
    pub async fn claim(self: &Arc<Self>, length: u64) -> Result<Claim, DeviceError> {
        let range = self.take(whole_blocks(length), BLOCK, true).await?;
        Ok(Claim {
            space: self.clone(),
            range,
            named: AtomicBool::new(false),
        })
    }

    async fn take(
        &self,
        length: u64,
        alignment: u64,
        claim: bool,
    ) -> Result<Range<u64>, DeviceError> {
        loop {
            let missing = {
                let mut state = self.state.lock();
                let start = state.next.next_multiple_of(alignment);
                let end = start + length;
                if end <= state.mark {
                    state.next = end;
                    if claim {
                        state.claimed.insert(start, end);
                    }
                    return Ok(start..end);
                }
                end - state.mark
            };
            self.raise_mark(missing).await?;
        }
    }

    /// Moves the mark by `missing` bytes at least, unless somebody has just moved it.
    async fn raise_mark(&self, missing: u64) -> Result<(), DeviceError> {
        let before = self.state.lock().mark;
        let _one = self.raising.lock().await;
        let now = self.state.lock().mark;
        if now != before {
            return Ok(());
        }
        let mark = now + missing.max(MARK_STEP);
        if kept(Rule::MarkBeforeWrite) {
            self.change_superblock(move |fields| fields.mark = mark)
                .await?;
        }
        self.state.lock().mark = mark;
        Ok(())
    }

    /// The lowest address at or behind which a crash may leave bytes that nothing names, given
    /// where the log goes on.
    pub fn floor(&self, log: u64) -> u64 {
        let claimed = self.state.lock().claimed.keys().next().copied();
        log.min(self.swept()).min(claimed.unwrap_or(u64::MAX))
    }

    /// What bodies have claimed that no record names yet.
    pub fn claims(&self) -> Vec<Range<u64>> {
        let state = self.state.lock();
        state
            .claimed
            .iter()
            .map(|(start, end)| *start..*end)
            .collect()
    }

    /// redb holds the log up to `position`.
    pub fn set_folded(&self, position: Position) {
        let mut folded = self.folded.lock();
        folded.before = folded.last;
        folded.last = position;
    }

    /// How far the log may be given back: the records of the last fold are kept, so that an index
    /// whose newest pages are damaged can be built anew without loss. That this is where the log
    /// begins is durable when this returns.
    pub async fn begin_log(&self) -> Result<u64, DeviceError> {
        let before = self.folded.lock().before;
        let log_from = before.encode();
        if self.superblock.fields().log_from != log_from {
            self.change_superblock(move |fields| fields.log_from = log_from)
                .await?;
        }
        Ok(before.address)
    }

    /// Changes the superblock where a fold that changes it, too, is not kept from going on.
    async fn change_superblock(
        &self,
        change: impl FnOnce(&mut Fields) + Send + 'static,
    ) -> Result<(), DeviceError> {
        let superblock = self.superblock.clone();
        let work = move || block_on(superblock.change(change));
        self.offload.run(work).await
    }

    /// The append high-water mark: nothing was ever written at or above it.
    pub fn mark(&self) -> u64 {
        self.state.lock().mark
    }

    /// Below this nothing is left that nobody names, but what the trimmer knows of.
    pub fn swept(&self) -> u64 {
        self.swept.load(Ordering::Acquire)
    }

    /// The sweep came to `address`.
    pub fn set_swept(&self, address: u64) {
        self.swept.store(address, Ordering::Release);
    }

    /// Claims that were given up since the last call.
    pub fn take_abandoned(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.state.lock().abandoned)
    }

    /// What was given up was TRIMmed.
    pub fn trimmed(&self, ranges: &[Range<u64>]) {
        let mut state = self.state.lock();
        for range in ranges {
            state.claimed.remove(&range.start);
        }
    }
}

impl Claim {
    pub fn address(&self) -> u64 {
        self.range.start
    }

    /// A durable record names it.
    pub fn mark_committed(&self) {
        self.named.store(true, Ordering::Release);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.space.state.lock();
        if *self.named.get_mut() {
            state.claimed.remove(&self.range.start);
        } else {
            state.abandoned.push(self.range.clone());
            self.space.abandoned.notify_one();
        }
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Claim").field(&self.range).finish()
    }
}
