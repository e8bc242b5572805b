//! Changes that free space, in a pool that is full.

use std::time::Duration;

use tokio::time::Instant;

use super::Bucket;
use crate::commit::change::{Change, Done};
use crate::errors::ChangeError;

/// How long room is waited for …
const PATIENCE: Duration = Duration::from_secs(10);

/// … and how often the change is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

impl Bucket {
    /// Has a change that frees space made. To record it takes some, which comes back behind a fold of what was
    /// freed before: a full pool refuses it only when none does.
    pub(super) async fn free(&self, change: impl Fn() -> Change) -> Result<Done, ChangeError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let done = self.submit(change()).await;
            if !matches!(done, Err(ChangeError::NoSpace)) || Instant::now() >= end {
                return done;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}
