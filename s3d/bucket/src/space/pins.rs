//! Pins: what a read under way may still need is not TRIMmed (B7).

use std::sync::{Arc, Weak};
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
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    present: Arc<()>,
    /// Those before, of which pins may be left: several may wait, and each for all of them.
    earlier: Vec<Weak<()>>,
}

impl Pins {
    /// A pin of the present generation.
    pub fn pin(&self) -> Pin {
        Pin {
            _generation: self.generations.lock().present.clone(),
        }
    }

    /// Waits until every pin that exists now is gone. Pins taken meanwhile are of a new
    /// generation: they see rows as they are now, and need nothing that was freed before.
    pub async fn wait_for_earlier(&self) {
        let earlier = self.generations.lock().begin_next();
        while earlier.iter().any(has_pins) && kept(Rule::Pins) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Generations {
    /// Begins a generation; answers those before.
    fn begin_next(&mut self) -> Vec<Weak<()>> {
        let ended = std::mem::take(&mut self.present);
        self.earlier.retain(has_pins);
        self.earlier.push(Arc::downgrade(&ended));
        self.earlier.clone()
    }
}

fn has_pins(generation: &Weak<()>) -> bool {
    generation.strong_count() > 0
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
    #[tokio::test(start_paused = true)]
    async fn each_of_several_waits_for_a_pin_that_is_earlier_than_all() {
        let pins = Pins::default();
        let early = pins.pin();
        let mut first = Box::pin(pins.wait_for_earlier());
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(pins.wait_for_earlier());
        assert!(
            (&mut second).now_or_never().is_none(),
            "the pin is earlier than the second wait, too"
        );
        drop(first);
        let mut third = Box::pin(pins.wait_for_earlier());
        assert!((&mut third).now_or_never().is_none());
        drop(early);
        second.await;
        third.await;
    }

    #[tokio::test(start_paused = true)]
    async fn generations_without_pins_are_not_kept() {
        let pins = Pins::default();
        for _ in 0..10 {
            pins.wait_for_earlier().await;
        }
        assert_eq!(pins.generations.lock().earlier.len(), 1);
    }
}
