//! The keys that sign for people who have only a session.
//!
//! They are keys like any other, listed, revocable, and gone with the membership of the user for whom they were
//! made: nothing else in the server has to know of them. They expire by themselves. Which of them are in use is
//! only in memory; a server that was started anew makes others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use s3d_accounts::{Access, Key, KeyGrant, UserId, clock};
use s3d_bucket::Timestamp;
use s3d_buckets::BucketRecord;
use tokio::sync::Mutex;

use super::super::ApiState;
use super::super::caller::Caller;
use super::super::error::ApiError;

/// A key signs what is good for up to an hour, and lasts a day …
const SHORT: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(24));

/// … or signs what is good for up to seven days, and lasts eight.
const LONG: (Duration, Duration) = (Duration::from_hours(7 * 24), Duration::from_hours(8 * 24));

/// Keys that are remembered; beyond that, all are forgotten and made anew when they are needed.
const REMEMBERED: usize = 10_000;

/// Who has what signed: the user, the bucket's id, what it takes, and how long the key lasts when it is made.
type Slot = (UserId, String, Access, Duration);

/// The ids of the keys that sign at present.
#[derive(Debug, Clone, Default)]
pub struct SigningKeys(Arc<Mutex<HashMap<Slot, String>>>);

impl SigningKeys {
    /// A key that outlives what it signs now, which is good for `life`. It is made if there is none.
    pub async fn find(
        &self,
        state: &ApiState,
        caller: &Caller,
        bucket: &BucketRecord,
        access: Access,
        life: Duration,
    ) -> Result<Arc<Key>, ApiError> {
        let (_, lasts) = if life <= SHORT.0 { SHORT } else { LONG };
        let user = &caller.user.id;
        let slot = (user.clone(), bucket.id_text(), access, lasts);
        // Held while a key is made: calls that come together make one.
        let mut known = self.0.lock().await;
        if let Some(id) = known.get(&slot)
            && let Some(key) = state.accounts.key(id).await?
            && key.grant.expires.is_some_and(|end| end > after(life))
        {
            return Ok(key);
        }
        let grant = KeyGrant {
            access,
            expires: Some(after(lasts)),
            created_by: Some(user.clone()),
            ..bucket.key_grant()
        };
        let key = state.buckets.create_key(bucket, grant).await?;
        caller.trail.resource(&key.id);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(slot, key.id.clone());
        Ok(Arc::new(key))
    }
}

fn after(time: Duration) -> Timestamp {
    Timestamp(clock::now().0 + time.as_millis() as u64)
}
