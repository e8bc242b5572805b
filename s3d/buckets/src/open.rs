//! Opening buckets, once however many ask, and closing those that nobody uses.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use s3d_bucket::{Bucket, OpenError, Options};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout_at;

use super::Buckets;
use super::open_set::OpenBucket;
use super::record::{BucketRecord, Status};
use super::volumes::{Attachment, VolumeError};
use s3d_records::RecordError;
use volumed_cluster::NodeNumber;

/// Pauses between attempts, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

/// Buckets that are opened at one time; others wait in the order in which they were asked for. Each asks the metadata
/// store and the replicas on other nodes, and after a power cut all are wanted at once: a node that asked for
/// everything together would be answered late, also when it renews its lease (V1).
pub(super) const OPENINGS: usize = 32;

const CLOSE_EVERY: Duration = Duration::from_secs(2);

/// Why a bucket could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenBucketError {
    /// Its volume is still being made: worth another try.
    #[error("the bucket is being provisioned")]
    Provisioning,
    /// It was deleted.
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// Another node serves it.
    #[error("node {0} serves the bucket")]
    ServedElsewhere(NodeNumber),
    /// The volume daemon is away: worth another try.
    #[error("the bucket is not available: {0}")]
    Unavailable(String),
    /// The pool is full.
    #[error("the pool has no space left")]
    NoSpace,
    /// What is on the volume is not a whole bucket.
    #[error("the bucket is damaged: {0}")]
    Damaged(String),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl OpenBucketError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<VolumeError> for OpenBucketError {
    fn from(error: VolumeError) -> Self {
        match error {
            // Whoever served it a moment ago may be gone now.
            VolumeError::Unavailable(_) | VolumeError::ServedElsewhere => {
                Self::Unavailable(error.to_string())
            }
            VolumeError::NoSpace => Self::NoSpace,
            VolumeError::Gone | VolumeError::Refused(_) => Self::Damaged(error.to_string()),
        }
    }
}

impl From<OpenError> for OpenBucketError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Device(volumed_client::DeviceError::NoSpace) => Self::NoSpace,
            // The index fails, too, when the device under it does.
            OpenError::Device(_) | OpenError::Index(_) => Self::Unavailable(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// How a bucket comes to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is there.
    Open,
    /// It may not be there yet.
    Create,
}

/// Attempts at something that may be possible a little later.
struct Attempts {
    deadline: Instant,
    pause: Duration,
}

impl Attempts {
    fn within(patience: Duration) -> Self {
        Self {
            deadline: Instant::now() + patience,
            pause: PAUSES.0,
        }
    }

    /// Waits for the next one; whether there is time for it.
    async fn pause(&mut self) -> bool {
        if Instant::now() + self.pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}

impl Buckets {
    /// The bucket, open. Hold it as long as it is used, answers under way included: a bucket that
    /// somebody holds is not closed for being idle. Ask anew for each request: one that had to be
    /// closed is opened again (B5), with some patience for a volume daemon that is away.
    pub async fn open(
        self: &Arc<Self>,
        record: &BucketRecord,
    ) -> Result<Arc<Bucket>, OpenBucketError> {
        if let Some(bucket) = self.open.get(record.name.as_str(), record.id) {
            return Ok(bucket);
        }
        let (buckets, record) = (self.clone(), record.clone());
        // Who asked may go away in the middle; the others still wait.
        let opening = tokio::spawn(async move { buckets.open_in_turn(&record).await });
        match opening.await {
            Ok(opened) => opened,
            Err(error) => Err(OpenBucketError::Unavailable(error.to_string())),
        }
    }

    async fn open_in_turn(&self, asked: &BucketRecord) -> Result<Arc<Bucket>, OpenBucketError> {
        let since = Instant::now();
        let name = asked.name.as_str();
        let asking = self.asking.of(name);
        let mut last_failure = asking.lock().await;
        if let Some(bucket) = self.open.get(name, asked.id) {
            return Ok(bucket);
        }
        if let Some((at, error)) = &*last_failure
            && *at >= since
        {
            return Err(error.clone());
        }
        let opened = self.open_asked(asked).await;
        if let Err(error) = &opened {
            if let OpenBucketError::ServedElsewhere(node) = error {
                tracing::debug!(bucket = name, %node, "another node serves the bucket");
            } else {
                tracing::warn!(bucket = name, %error, "cannot open the bucket");
            }
            *last_failure = Some((Instant::now(), error.clone()));
        }
        opened
    }

    async fn open_asked(&self, asked: &BucketRecord) -> Result<Arc<Bucket>, OpenBucketError> {
        let mut attempts = Attempts::within(self.settings.patience);
        loop {
            match self.open_asked_once(asked, attempts.deadline).await {
                Err(error) if error.is_passing() && attempts.pause().await => {}
                outcome => return outcome,
            }
        }
    }

    /// Has the bucket's turn only while it opens it, not while it waits until it may: whoever asks meanwhile which
    /// node serves the bucket gets an answer.
    async fn open_asked_once(
        &self,
        asked: &BucketRecord,
        deadline: Instant,
    ) -> Result<Arc<Bucket>, OpenBucketError> {
        let name = asked.name.as_str();
        let turn = self.turns.of(name);
        let (_permit, _turn) = loop {
            let permit = self.permit_to_open(deadline).await?;
            // Whoever has the turn may wait for a permit, so nobody who has a permit waits for a turn.
            match turn.try_lock() {
                Ok(turn) => break (permit, turn),
                Err(_) => drop(permit),
            }
            drop(turn.lock().await);
        };
        if let Some(bucket) = self.open.get(name, asked.id) {
            return Ok(bucket);
        }
        let stored = self.read(&asked.name).await?;
        let record = match stored.map(|stored| stored.record) {
            Some(record) if record.id == asked.id => record,
            _ => return Err(OpenBucketError::NoSuchBucket),
        };
        match record.status {
            Status::Provisioning => return Err(OpenBucketError::Provisioning),
            Status::Deleting => return Err(OpenBucketError::NoSuchBucket),
            Status::Provisioned => {}
        }
        // What is left of an earlier opening can do no more than stand in the way.
        drop(self.open.take(name));
        self.make_room().await?;
        let open = self.open_once(&record, How::Open).await?;
        Ok(self.open.insert(name, open))
    }

    /// For whoever has the bucket's turn.
    pub(super) async fn open_patiently(
        &self,
        record: &BucketRecord,
        how: How,
    ) -> Result<OpenBucket, OpenBucketError> {
        let mut attempts = Attempts::within(self.settings.patience);
        loop {
            let permit = self.permit_to_open(attempts.deadline).await?;
            self.make_room().await?;
            let outcome = self.open_once(record, how).await;
            drop(permit);
            match outcome {
                Err(error) if error.is_passing() && attempts.pause().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn permit_to_open(
        &self,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, OpenBucketError> {
        let permit = timeout_at(deadline.into(), self.openings.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            OpenBucketError::Unavailable("too many buckets are asked for at once".to_owned())
        })
    }

    async fn open_once(
        &self,
        record: &BucketRecord,
        how: How,
    ) -> Result<OpenBucket, OpenBucketError> {
        if how == How::Create {
            let replicas = self.settings.replicas.asked();
            self.volumes.create(&record.volume, replicas).await?;
        }
        let Attachment {
            devices,
            epoch,
            hold,
        } = self.attach(&record.volume).await?;
        let index_cache = self.open.index_cache(self.settings.index_memory);
        let options = Options {
            index_cache,
            quota: record.settings.quota,
            transfers: self.transfers.clone(),
            ..Options::new(epoch)
        };
        let bucket = match how {
            How::Create => Bucket::create(devices, record.id, options).await?,
            How::Open => Bucket::open(devices, record.id, options).await?,
        };
        let volume = record.volume.clone();
        Ok(OpenBucket::new(
            record.id,
            bucket,
            volume,
            hold,
            index_cache,
        ))
    }

    /// Closes every bucket. What is asked for afterwards opens again: stop the front first.
    pub async fn close_all(&self) {
        for name in self.open.names() {
            let turn = self.turns.of(&name);
            let _turn = turn.lock().await;
            if let Some(open) = self.open.take(&name) {
                self.close(&name, open).await;
            }
        }
        self.note_usage().await;
    }

    /// How many buckets are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) async fn close(&self, name: &str, open: OpenBucket) {
        if open.bucket.closed().is_none() {
            self.closed.remember(name, open.id, &open.bucket);
        }
        open.bucket.close().await;
        let volume = open.volume.clone();
        drop(open);
        if let Err(error) = self.volumes.detach(&volume).await {
            // It stays attached, and the next to attach it takes it over.
            tracing::warn!(bucket = name, %error, "cannot detach the bucket's volume");
        }
    }

    /// Keeps within the bound on open buckets: closes those that were not asked for the longest, before
    /// another one takes memory and descriptors. When all are in use, some more are open, up to twice
    /// as many.
    async fn make_room(&self) -> Result<(), OpenBucketError> {
        let most = self.settings.max_open;
        for name in self.open.closable(Duration::MAX, most.saturating_sub(1)) {
            let turn = self.turns.of(&name);
            // One that is being opened or closed is waited for by somebody already.
            if let Ok(_turn) = turn.try_lock()
                && let Some(open) = self.open.take_idle(&name)
            {
                self.close(&name, open).await;
            }
        }
        if self.open.len() >= 2 * most {
            let reason = "as many buckets are in use as may be open at once";
            return Err(OpenBucketError::Unavailable(reason.to_owned()));
        }
        Ok(())
    }

    async fn close_if_idle(&self, name: &str) {
        let turn = self.turns.of(name);
        let _turn = turn.lock().await;
        if let Some(open) = self.open.take_idle(name) {
            self.close(name, open).await;
        }
    }
}

pub async fn close_unused(buckets: Weak<Buckets>) {
    loop {
        let Some(buckets) = buckets.upgrade() else {
            return;
        };
        let settings = buckets.settings;
        for name in buckets.open.closable(settings.idle, settings.max_open) {
            buckets.close_if_idle(&name).await;
        }
        drop(buckets);
        tokio::time::sleep(CLOSE_EVERY).await;
    }
}
