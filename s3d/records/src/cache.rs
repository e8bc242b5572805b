//! Records in memory, for what every request asks.
//!
//! An entry is removed by this process's own changes at once, and by other processes' when the
//! watch tells. While there is no watch, nothing is kept.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use volumed_meta::{MetaStore, StoreError};

/// How long to wait before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_millis(200);

/// Values by the part of their key behind a prefix. Absence is not kept, so what is created is
/// seen at once, and guessing names fills no memory.
#[derive(Debug)]
pub struct Cache<V> {
    prefix: &'static str,
    capacity: usize,
    state: RwLock<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    watched: bool,
    /// Counts removals: what was read before one must not be kept after it.
    removals: u64,
    values: HashMap<String, Arc<V>>,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// A cache of at most `capacity` values that follows the store until it is dropped. Must be
    /// called on a runtime.
    pub fn following(
        store: Arc<dyn MetaStore>,
        prefix: &'static str,
        capacity: usize,
    ) -> Arc<Self> {
        let cache = Arc::new(Self {
            prefix,
            capacity,
            state: RwLock::new(State {
                watched: false,
                removals: 0,
                values: HashMap::new(),
            }),
        });
        tokio::spawn(follow(store, Arc::downgrade(&cache), prefix));
        cache
    }

    /// The value from memory, or else from `read`.
    pub async fn get_or_read<E>(
        &self,
        name: &str,
        read: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E> {
        let removals = {
            let state = self.state.read();
            if let Some(value) = state.values.get(name) {
                return Ok(Some(value.clone()));
            }
            state.removals
        };
        let Some(value) = read.await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut state = self.state.write();
        if state.watched && state.removals == removals {
            state.keep(name, value.clone(), self.capacity);
        }
        Ok(Some(value))
    }

    /// Forgets a value that was changed.
    pub fn remove(&self, name: &str) {
        let mut state = self.state.write();
        state.removals += 1;
        state.values.remove(name);
    }

    fn set_watched(&self, watched: bool) {
        let mut state = self.state.write();
        state.watched = watched;
        state.removals += 1;
        state.values.clear();
    }
}

impl<V> State<V> {
    fn keep(&mut self, name: &str, value: Arc<V>, capacity: usize) {
        if self.values.len() >= capacity
            && let Some(any) = self.values.keys().next().cloned()
        {
            self.values.remove(&any);
        }
        self.values.insert(name.to_owned(), value);
    }
}

async fn follow<V: Send + Sync + 'static>(
    store: Arc<dyn MetaStore>,
    cache: Weak<Cache<V>>,
    prefix: &'static str,
) {
    while cache.strong_count() > 0 {
        if let Err(error) = follow_once(&*store, &cache).await {
            tracing::warn!(%error, prefix, "cannot watch the metadata store; nothing is cached");
        }
        if let Some(cache) = cache.upgrade() {
            cache.set_watched(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until the watch ends or the cache is dropped.
async fn follow_once<V: Send + Sync + 'static>(
    store: &dyn MetaStore,
    cache: &Weak<Cache<V>>,
) -> Result<(), StoreError> {
    let Some(prefix) = cache.upgrade().map(|cache| cache.prefix) else {
        return Ok(());
    };
    let mut events = store
        .watch(prefix.as_bytes(), store.revision().await?)
        .await?;
    if let Some(cache) = cache.upgrade() {
        cache.set_watched(true);
    }
    while let Some(event) = events.recv().await {
        let Some(cache) = cache.upgrade() else {
            return Ok(());
        };
        if let Ok(name) = std::str::from_utf8(&event.key[prefix.len()..]) {
            cache.remove(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use volumed_meta::{Change, SqliteStore};

    use super::*;

    async fn get(cache: &Cache<u8>, value: u8) -> u8 {
        let read = async { Ok::<_, Infallible>(Some(value)) };
        *cache.get_or_read("a", read).await.unwrap().unwrap()
    }

    async fn until_kept(cache: &Cache<u8>, value: u8) {
        // The first reads may come before the watch.
        while get(cache, value).await != value || !cache.state.read().values.contains_key("a") {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_value_is_kept_until_anybody_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta.db");
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        let cache = Cache::<u8>::following(store, "t/", 10);
        until_kept(&cache, 1).await;
        assert_eq!(get(&cache, 2).await, 1);
        cache.remove("a");
        assert_eq!(get(&cache, 3).await, 3);

        until_kept(&cache, 3).await;
        let other = SqliteStore::open(&path).unwrap();
        let change = Change::Put(b"t/a".to_vec(), vec![]);
        other.transact(vec![], vec![change]).await.unwrap();
        while get(&cache, 4).await != 4 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let cache = Cache::<u8>::following(store, "t/", 10);
        until_kept(&cache, 1).await;
        cache.remove("a");
        let stale = cache.get_or_read("a", async {
            cache.remove("a");
            Ok::<_, Infallible>(Some(1))
        });
        stale.await.unwrap();
        assert_eq!(get(&cache, 2).await, 2);
    }

    #[tokio::test]
    async fn it_holds_no_more_than_its_capacity() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let cache = Cache::<u8>::following(store, "t/", 2);
        until_kept(&cache, 1).await;
        for name in ["b", "c", "d"] {
            let read = async { Ok::<_, Infallible>(Some(1)) };
            cache.get_or_read(name, read).await.unwrap();
        }
        assert_eq!(cache.state.read().values.len(), 2);
    }
}
