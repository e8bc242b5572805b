//! Pins: what a read under way may still need is not TRIMmed (B7).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::rules::{Rule, kept};

/// How often a waiting trim looks whether the reads before it have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Held by a read from before it looks at its object's row until its last byte was read.
#[derive(Debug, Clone)]
pub struct Pin {
    _generation: Arc<()>,
}

/// Hands out pins, in generations.
#[derive(Debug, Default)]
pub struct Pins {
    generation: Mutex<Arc<()>>,
}

impl Pins {
    /// A pin of the present generation.
    pub fn pin(&self) -> Pin {
        Pin {
            _generation: self.generation.lock().clone(),
        }
    }

    /// Waits until every pin that exists now is gone. Pins taken meanwhile are of a new
    /// generation: they see rows as they are now, and need nothing that was freed before.
    pub async fn wait_for_earlier(&self) {
        let earlier = std::mem::take(&mut *self.generation.lock());
        while Arc::strong_count(&earlier) > 1 && kept(Rule::Pins) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_earlier_pins_and_for_no_later_one() {
        let pins = Pins::default();
        let early = pins.pin();
        let copy = early.clone();
        let mut waiting = Box::pin(pins.wait_for_earlier());
        assert!((&mut waiting).now_or_never().is_none());
        let _late = pins.pin();
        drop(early);
        tokio::time::sleep(LOOK_AGAIN * 2).await;
        assert!(
            (&mut waiting).now_or_never().is_none(),
            "a copy is a pin too"
        );
        drop(copy);
        waiting.await;
    }
}
