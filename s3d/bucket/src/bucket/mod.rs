//! An open bucket.

mod changes;
mod checking;
mod freeing;
mod objects;
mod open;
mod prefix;
#[cfg(test)]
pub mod tests;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use volumed_client::BlockDevice;

pub use self::objects::Found;
use crate::blob::transfers::TransferMemory;
use crate::commit::change::{Change, Done};
use crate::commit::messages::{Message, Submission};
use crate::errors::{ChangeError, ClosedError, ReadError};
use crate::format::rows::{Row, Table};
use crate::index::feed::FeedRetention;
use crate::object::Timestamp;
use crate::offload::Offload;
use crate::requests::Stored;
use crate::shared::{Clock, Shared};
use crate::totals::Totals;

/// The volume, twice: the I/O of `index` must run on a thread that never blocks on it (B9).
#[derive(Clone)]
pub struct Devices {
    /// For the log and the bodies.
    pub data: Arc<dyn BlockDevice>,
    /// For the index.
    pub index: Arc<dyn BlockDevice>,
}

/// How to open a bucket.
#[derive(Clone)]
pub struct Options {
    /// The epoch under which the volume was attached; greater than any earlier owner's.
    pub epoch: u64,
    /// Most bytes that it may hold; see [`Bucket::set_quota`].
    pub quota: Option<u64>,
    /// How much of the change feed is kept.
    pub feed: FeedRetention,
    /// Bytes of memory for the index: half for its pages, half for rows.
    pub index_cache: usize,
    /// A log group is sent behind another that is on its way only with so many changes: each costs a
    /// sync.
    pub following: usize,
    /// Most rows that one record moves for a prefix rename; a rename of more goes on in the background.
    pub slice: usize,
    /// Memory for bodies, shared with other buckets.
    pub transfers: TransferMemory,
    /// Where work that blocks on the index runs.
    pub offload: Offload,
    /// Tells the time.
    pub clock: Clock,
}

impl Options {
    /// The usual options under an epoch.
    pub fn new(epoch: u64) -> Self {
        let clock = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Timestamp(now.map_or(0, |now| now.as_millis() as u64))
        };
        Self {
            epoch,
            quota: None,
            feed: FeedRetention::default(),
            index_cache: 24 << 20,
            following: 12,
            slice: 1_000,
            transfers: TransferMemory::default(),
            offload: Offload::default(),
            clock: Arc::new(clock),
        }
    }
}

/// A bucket on its volume. One handle at a time may be open on a volume; the volume's epoch sees
/// to that (V1, V2).
pub struct Bucket {
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
}

impl Bucket {
    /// Why this handle is of no more use, if it is not.
    pub fn closed(&self) -> Option<ClosedError> {
        self.shared.closed.get().cloned()
    }

    /// Folds what the log holds into the index, and ends. Changes that wait are made first.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.messages.send(Message::Close(answer)).await.is_ok() {
            // An error means that the bucket ended by itself, which is what was asked for.
            let _ = closed.await;
        }
    }

    /// Folds what the log holds into the index (B3).
    pub async fn checkpoint(&self) -> Result<(), ChangeError> {
        let (answer, done) = oneshot::channel();
        let sent = self
            .messages
            .send(Message::Checkpoint(answer))
            .await
            .is_ok();
        if sent && done.await.is_ok() && self.closed().is_none() {
            return Ok(());
        }
        Err(self.ended())
    }

    /// What the bucket holds, as of the last change that was answered.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Sets the most bytes that the bucket may hold from now on; what waits to be written meets it
    /// already. A bucket that holds more keeps it, and what does not let it grow still works.
    pub fn set_quota(&self, quota: Option<u64>) {
        self.shared.set_quota(quota);
    }

    async fn row<R: Row>(&self, table: Table, key: Bytes) -> Result<Option<R>, ReadError> {
        self.check_open()?;
        let row = self.shared.index.get(table, key).await;
        let Some(row) = self.shared.looked(row)? else {
            return Ok(None);
        };
        Ok(Some(decode(&row)?))
    }

    async fn store(&self, change: Change) -> Result<Stored, ChangeError> {
        match self.submit(change).await? {
            Done::Stored(object) => Ok(Stored { object: *object }),
            _ => unreachable!("storing answers the object"),
        }
    }

    async fn submit(&self, change: Change) -> Result<Done, ChangeError> {
        let (answer, outcome) = oneshot::channel();
        let submission = Submission {
            change: Box::new(change),
            answer,
        };
        if self
            .messages
            .send(Message::Submit(submission))
            .await
            .is_err()
        {
            return Err(self.ended());
        }
        outcome.await.unwrap_or_else(|_| Err(self.ended()))
    }

    fn check_open(&self) -> Result<(), ReadError> {
        match self.closed() {
            Some(error) => Err(ReadError::Closed(error)),
            None => Ok(()),
        }
    }

    fn ended(&self) -> ChangeError {
        let unsaid = || ClosedError::Index("the committer ended without a word".into());
        ChangeError::Closed(self.closed().unwrap_or_else(unsaid))
    }
}

fn decode<R: Row>(row: &[u8]) -> Result<R, ReadError> {
    R::decode(row).map_err(|error| ReadError::Closed(ClosedError::Index(error.to_string())))
}
