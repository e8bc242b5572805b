//! One at a time for each bucket: opening, provisioning, deleting.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::OpenBucketError;

/// The last attempt to open that failed, told to all who asked before it ended.
pub type LastFailure = Option<(Instant, OpenBucketError)>;

type Turn = tokio::sync::Mutex<LastFailure>;

/// A lock for each name that somebody holds or waits for.
#[derive(Default)]
pub struct Turns {
    turns: Mutex<HashMap<String, Weak<Turn>>>,
}

impl Turns {
    pub fn of(&self, name: &str) -> Arc<Turn> {
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        turns.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
