//! The data zone's space: addresses are handed out once, in order, and never again.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use volumed_client::DeviceError;

use crate::format::layout::{MARK_STEP, whole_blocks};
use crate::format::superblock::Superblock;

pub struct Space {
    superblock: Arc<Superblock>,
    state: Mutex<State>,
    raising: tokio::sync::Mutex<()>,
    /// Told when a claim was given up.
    pub abandoned: Notify,
}

struct State {
    next: u64,
    mark: u64,
    /// Where claims begin that no record names yet, and those that were given up and not TRIMmed.
    claimed: BTreeSet<u64>,
    abandoned: Vec<Range<u64>>,
}

/// Space for a body until a record names it (B8). Dropped before that, it is TRIMmed.
pub struct Claim {
    space: Arc<Space>,
    range: Range<u64>,
    named: AtomicBool,
}

impl Space {
    /// Hands out addresses from `mark` on: everything below may have been written.
    pub fn new(superblock: Arc<Superblock>, mark: u64) -> Self {
        let state = State {
            next: mark,
            mark,
            claimed: BTreeSet::new(),
            abandoned: Vec::new(),
        };
        Self {
            superblock,
            state: Mutex::new(state),
            raising: tokio::sync::Mutex::new(()),
            abandoned: Notify::new(),
        }
    }

    /// The address of `length` fresh bytes for the log, rounded up to whole blocks. The high-water
    /// mark is durable behind them when this returns (B8).
    pub async fn allocate(&self, length: u64) -> Result<u64, DeviceError> {
        self.take(length, false).await
    }

    /// The same for a body.
    pub async fn claim(self: &Arc<Self>, length: u64) -> Result<Claim, DeviceError> {
        let address = self.take(length, true).await?;
        let range = address..address + whole_blocks(length);
        Ok(Claim {
            space: self.clone(),
            range,
            named: AtomicBool::new(false),
        })
    }

    async fn take(&self, length: u64, claim: bool) -> Result<u64, DeviceError> {
        let length = whole_blocks(length);
        loop {
            {
                let mut state = self.state.lock();
                if state.next + length <= state.mark {
                    let address = state.next;
                    state.next += length;
                    if claim {
                        state.claimed.insert(address);
                    }
                    return Ok(address);
                }
            }
            self.raise_mark(length).await?;
        }
    }

    async fn raise_mark(&self, length: u64) -> Result<(), DeviceError> {
        let _one = self.raising.lock().await;
        let mark = {
            let state = self.state.lock();
            if state.next + length <= state.mark {
                return Ok(());
            }
            state.mark + length.max(MARK_STEP)
        };
        self.superblock.change(|fields| fields.mark = mark).await?;
        self.state.lock().mark = mark;
        Ok(())
    }

    /// The lowest address at or behind which a crash may leave bytes that nothing names, given
    /// where the log goes on.
    pub fn floor(&self, log: u64) -> u64 {
        self.state
            .lock()
            .claimed
            .first()
            .map_or(log, |claimed| log.min(*claimed))
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
