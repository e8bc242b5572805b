//! What the head finds out about its replicas for whoever verifies them.

use tokio::sync::oneshot;
use volumed_core::head::{Comparison, Depth, HeadEvent};
use volumed_core::{ExtentIndex, RegionIndex};

use super::{Arc, Machine, State};

impl Machine {
    /// Compares what the in-sync replicas hold of a region; `None` once there is no head.
    pub async fn compare(
        self: &Arc<Self>,
        region: RegionIndex,
        depth: Depth,
    ) -> Option<Comparison> {
        let (tell, told) = oneshot::channel();
        {
            let mut state = self.state.lock();
            state.head.as_ref()?;
            state.comparing.insert(region, tell);
        }
        self.head_event(HeadEvent::Compare(region, depth));
        told.await.ok()
    }

    /// Makes a region equal on all replicas; whoever compares it next waits for that.
    pub fn make_equal(self: &Arc<Self>, region: RegionIndex) {
        self.head_event(HeadEvent::Repair(region));
    }

    /// The first extent at or behind `from` that is placed; `None` also without a head.
    pub fn next_placed(&self, from: ExtentIndex) -> Option<ExtentIndex> {
        let state = self.state.lock();
        let mut placed = state.head.as_ref()?.placed_from(from);
        placed.next().map(|(extent, _)| extent)
    }

    /// How many extents are placed.
    pub fn placed_count(&self) -> u64 {
        let state = self.state.lock();
        let head = state.head.as_ref();
        head.map_or(0, |head| head.placed_from(ExtentIndex(0)).count() as u64)
    }
}

impl State {
    pub(super) fn compared(&mut self, region: RegionIndex, found: Comparison) {
        if let Some(tell) = self.comparing.remove(&region) {
            // Whoever asked may have gone.
            let _ = tell.send(found);
        }
    }
}
