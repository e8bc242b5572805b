//! When keys were last used. Noted in memory at each request, and stored at most once an hour.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::unsync::Cache;
use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Records, present, put};

use super::key::{key_key, key_use_key};

/// Keys whose use is remembered, some 100 bytes each.
const REMEMBERED: usize = 10_000;

/// How often uses are stored.
const EVERY: Duration = Duration::from_mins(1);

/// How much later than the stored time a use is worth another write, in milliseconds.
const HOUR: u64 = 3_600_000;

#[derive(Debug, Clone, Copy)]
struct Use {
    last: Timestamp,
    stored: Option<Timestamp>,
}

impl Use {
    fn is_due(&self) -> bool {
        self.stored
            .is_none_or(|stored| self.last.0 >= stored.0 + HOUR)
    }
}

/// The uses of keys.
#[derive(Debug)]
pub struct KeyUses(Mutex<Cache<String, Use>>);

impl KeyUses {
    /// Uses that are stored in the background for as long as somebody holds them.
    pub fn storing(records: Records) -> Arc<Self> {
        let uses = Arc::new(Self(Mutex::new(Cache::new(REMEMBERED))));
        tokio::spawn(store(Arc::downgrade(&uses), records));
        uses
    }

    pub fn note(&self, id: &str, now: Timestamp) {
        let mut uses = self.0.lock();
        if let Some(mut known) = uses.get_mut(id) {
            known.last = now;
            return;
        }
        let first = Use {
            last: now,
            stored: None,
        };
        uses.insert(id.to_owned(), first);
    }

    /// When a key was last used, as far as this process and the store know.
    pub async fn last(
        &self,
        records: &Records,
        id: &str,
    ) -> Result<Option<Timestamp>, RecordError> {
        let here = self.0.lock().peek(id).map(|known| known.last);
        let stored = records.get::<Timestamp>(&key_use_key(id)).await?;
        Ok(here.max(stored.map(|stored| stored.record)))
    }

    fn due(&self) -> Vec<(String, Timestamp)> {
        let uses = self.0.lock();
        let due = uses.iter().filter(|(_, known)| known.is_due());
        due.map(|(id, known)| (id.clone(), known.last)).collect()
    }

    fn set_stored(&self, id: &str, at: Timestamp) {
        if let Some(mut known) = self.0.lock().get_mut(id) {
            known.stored = Some(at);
        }
    }
}

async fn store(uses: Weak<KeyUses>, records: Records) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(uses) = uses.upgrade() else {
            return;
        };
        for (id, at) in uses.due() {
            let changes = vec![put(key_use_key(&id), &at)];
            // A key that was revoked meanwhile leaves nothing behind.
            if let Err(error) = records.commit(vec![present(key_key(&id))], changes).await {
                tracing::warn!(%error, "the last uses of keys cannot be stored");
                break;
            }
            uses.set_stored(&id, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_stored_once_an_hour() {
        let uses = KeyUses(Mutex::new(Cache::new(10)));
        uses.note("HR1", Timestamp(1));
        uses.note("HR1", Timestamp(2));
        assert_eq!(uses.due(), [("HR1".to_owned(), Timestamp(2))]);
        uses.set_stored("HR1", Timestamp(2));
        uses.note("HR1", Timestamp(HOUR));
        assert_eq!(uses.due(), []);
        uses.note("HR1", Timestamp(HOUR + 2));
        assert_eq!(uses.due(), [("HR1".to_owned(), Timestamp(HOUR + 2))]);
    }
}
