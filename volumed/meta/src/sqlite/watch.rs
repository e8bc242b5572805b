//! Watchers read the log of changes at their own pace; the log is what they miss nothing by.

use rusqlite::{Connection, params};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::apply::{compacted, prefix_end, revision};
use crate::failure::StoreError;
use crate::store::Event;
use crate::transaction::Revision;

/// Events that wait for a watcher; more stay in the log.
const QUEUE: usize = 256;

/// Changes that are read for a watcher at a time.
const PAGE: u32 = 256;

#[derive(Default)]
pub struct Watchers {
    watchers: Vec<Watcher>,
}

struct Watcher {
    prefix: Vec<u8>,
    /// The last change that was sent or did not concern the watcher: its revision, and its
    /// number in it.
    seen: (Revision, i64),
    events: mpsc::Sender<Event>,
}

impl Watchers {
    pub fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    pub fn add(
        &mut self,
        connection: &Connection,
        prefix: Vec<u8>,
        after: Revision,
    ) -> Result<mpsc::Receiver<Event>, StoreError> {
        if after < compacted(connection)? {
            return Err(StoreError::Compacted(after));
        }
        let (events, receiver) = mpsc::channel(QUEUE);
        self.watchers.push(Watcher {
            prefix,
            seen: (after, i64::MAX),
            events,
        });
        Ok(receiver)
    }

    /// Sends what is new. Dropping a watcher ends its receiver.
    pub fn serve(&mut self, connection: &Connection) {
        self.watchers.retain(|watcher| !watcher.events.is_closed());
        if self.watchers.is_empty() {
            return;
        }
        // One read transaction: another process must not compact between the look at what is kept
        // and the reading. On failure everybody waits for the next time.
        let Ok(connection) = connection.unchecked_transaction() else {
            return;
        };
        let (Ok(newest), Ok(compacted)) = (revision(&connection), compacted(&connection)) else {
            return;
        };
        self.watchers.retain_mut(|watcher| {
            watcher.seen.0 >= newest
                || (watcher.seen.0 >= compacted && watcher.serve(&connection, newest).is_ok())
        });
    }
}

/// The watcher listens no more, or the log cannot be read for it.
struct Gone;

impl Watcher {
    fn serve(&mut self, connection: &Connection, newest: Revision) -> Result<(), Gone> {
        loop {
            let Ok(page) = self.page(connection) else {
                return Err(Gone);
            };
            let whole = page.len() < PAGE as usize;
            for (ordinal, event) in page {
                let seen = (event.revision, ordinal);
                match self.events.try_send(event) {
                    Ok(()) => self.seen = seen,
                    Err(TrySendError::Full(_)) => return Ok(()),
                    Err(TrySendError::Closed(_)) => return Err(Gone),
                }
            }
            if whole {
                self.seen = (newest, i64::MAX);
                return Ok(());
            }
        }
    }

    fn page(&self, connection: &Connection) -> rusqlite::Result<Vec<(i64, Event)>> {
        connection
            .prepare_cached(
                "SELECT ordinal, revision, key, value FROM changes \
                 WHERE (revision, ordinal) > (?1, ?2) AND key >= ?3 AND (?4 IS NULL OR key < ?4) \
                 ORDER BY revision, ordinal LIMIT ?5",
            )?
            .query_map(
                params![
                    self.seen.0,
                    self.seen.1,
                    self.prefix,
                    prefix_end(&self.prefix),
                    PAGE
                ],
                |row| {
                    let event = Event {
                        revision: row.get(1)?,
                        key: row.get(2)?,
                        value: row.get(3)?,
                    };
                    Ok((row.get(0)?, event))
                },
            )?
            .collect()
    }
}
