//! One at a time for each bucket: opening, provisioning, deleting.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::OpenBucketError;

/// The last attempt to open that failed, told to all who asked before it ended.
pub type LastFailure = Option<(Instant, OpenBucketError)>;

type Turn<T> = tokio::sync::Mutex<T>;

/// A lock for each name that somebody holds or waits for, and what the last holder left.
#[derive(Default)]
pub struct Turns<T> {
    turns: Mutex<HashMap<String, Weak<Turn<T>>>>,
}

impl<T: Default> Turns<T> {
    pub fn of(&self, name: &str) -> Arc<Turn<T>> {
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
