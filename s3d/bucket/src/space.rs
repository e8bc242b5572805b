//! The data zone's space: addresses are handed out once, in order, and never again.

use std::sync::Arc;

use parking_lot::Mutex;
use volumed_client::DeviceError;

use crate::layout::{MARK_STEP, whole_blocks};
use crate::superblock::Superblock;

pub struct Space {
    superblock: Arc<Superblock>,
    state: Mutex<State>,
    raising: tokio::sync::Mutex<()>,
}

struct State {
    next: u64,
    mark: u64,
}

impl Space {
    /// Hands out addresses from `mark` on: everything below may have been written.
    pub fn new(superblock: Arc<Superblock>, mark: u64) -> Self {
        let state = Mutex::new(State { next: mark, mark });
        Self {
            superblock,
            state,
            raising: tokio::sync::Mutex::new(()),
        }
    }

    /// The address of `length` fresh bytes, rounded up to whole blocks. The high-water mark is
    /// durable behind them when this returns (B8).
    pub async fn allocate(&self, length: u64) -> Result<u64, DeviceError> {
        let length = whole_blocks(length);
        loop {
            {
                let mut state = self.state.lock();
                if state.next + length <= state.mark {
                    let address = state.next;
                    state.next += length;
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
}
