//! The rack's buckets: their records, their provisioning, and the open ones.

mod configure;
mod create;
mod delete;
pub mod feed;
mod find;
mod holding;
mod index_io;
mod maintenance;
mod neighbours;
mod open;
mod open_set;
mod ownership;
mod quota;
mod record;
mod rename_prefix;
mod replicas;
mod served;
mod settings;
mod settle;
mod turns;
mod usage;
mod volumes;

#[cfg(any(test, feature = "testing"))]
pub mod fake_volumes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use volumed_meta::MetaStore;

use feed::FeedsEnd;
use open_set::OpenSet;
use s3d_accounts::Accounts;
use s3d_bucket::TransferMemory;
use s3d_records::{Cache, Records};
use s3d_usage::Usage;
use turns::{LastFailure, Turns};
use usage::Closed;

pub use configure::ConfigureError;
pub use create::{CreateBucketError, CreateWithKeyError};
pub use delete::DeleteBucketError;
pub use find::CreateBucketKeyError;
pub use maintenance::{Damage, Maintenance, MaintenanceError};
pub use neighbours::{Alone, Neighbours};
pub use open::OpenBucketError;
pub use quota::BucketSpace;
pub use record::{BucketRecord, HeldBucket, Status};
pub use rename_prefix::RenamePrefixError;
pub use replicas::{Replicas, ReplicasError};
pub use s3d_usage::{Point, Sample};
pub use served::{Began, Server};
pub use settings::{CorsRule, Ownership, PublicAccessBlock, Settings};
pub use volumed_cluster::NodeNumber;
pub use volumes::{Attachment, Hold, NodeVolumes, PATIENCE, VolumeError, Volumes};

/// Records that are kept in memory, some 300 bytes each.
const CACHED_RECORDS: usize = 10_000;

/// How buckets are kept open.
#[derive(Debug, Clone, Copy)]
pub struct BucketSettings {
    /// Buckets that are open at most, unless more are in use at one time.
    pub max_open: usize,
    /// A bucket that was not asked for so long is closed.
    pub idle: Duration,
    /// How long a request waits for a volume daemon that is away.
    pub patience: Duration,
    /// Memory for the indexes of all open buckets, in bytes.
    pub index_memory: usize,
    /// Memory for bodies on their way in and out, in bytes.
    pub transfer_memory: usize,
    /// How often buckets that are being made or deleted are looked after.
    pub settle_every: Duration,
    /// How many replicas the volumes of new buckets have.
    pub replicas: Replicas,
    /// How often it is noted what buckets hold.
    pub usage_every: Duration,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            max_open: 64,
            idle: Duration::from_secs(15),
            patience: PATIENCE,
            index_memory: 96 << 20,
            transfer_memory: 32 << 20,
            settle_every: Duration::from_secs(2),
            replicas: Replicas::default(),
            usage_every: Duration::from_hours(1),
        }
    }
}

/// The rack's buckets.
pub struct Buckets {
    records: Records,
    known: Arc<Cache<BucketRecord>>,
    accounts: Arc<Accounts>,
    volumes: Arc<dyn Volumes>,
    neighbours: Arc<dyn Neighbours>,
    settings: BucketSettings,
    open: OpenSet,
    transfers: TransferMemory,
    turns: Turns<()>,
    /// One asks for a bucket to be opened, and all who want it wait for that.
    asking: Turns<LastFailure>,
    openings: Semaphore,
    feeds_end: FeedsEnd,
    usage: Usage,
    closed: Closed,
}

impl Buckets {
    /// Starts looking after the buckets in a store; those that a crash left half made or half
    /// deleted are finished. Call it on the runtime that shall carry the buckets' I/O.
    pub fn start(
        store: Arc<dyn MetaStore>,
        accounts: Arc<Accounts>,
        volumes: Arc<dyn Volumes>,
        settings: BucketSettings,
    ) -> Arc<Self> {
        Self::start_among(Arc::new(Alone), store, accounts, volumes, settings)
    }

    /// The same on one of several nodes.
    pub fn start_among(
        neighbours: Arc<dyn Neighbours>,
        store: Arc<dyn MetaStore>,
        accounts: Arc<Accounts>,
        volumes: Arc<dyn Volumes>,
        settings: BucketSettings,
    ) -> Arc<Self> {
        let buckets = Arc::new(Self {
            known: Cache::following(store.clone(), record::PREFIX, CACHED_RECORDS),
            usage: Usage::new(Records::new(store.clone())),
            closed: Closed::default(),
            records: Records::new(store),
            accounts,
            volumes,
            neighbours,
            settings,
            open: OpenSet::new(),
            transfers: TransferMemory::new(settings.transfer_memory),
            turns: Turns::default(),
            asking: Turns::default(),
            openings: Semaphore::new(open::OPENINGS),
            feeds_end: FeedsEnd::default(),
        });
        tokio::spawn(settle::run(Arc::downgrade(&buckets)));
        tokio::spawn(usage::run(Arc::downgrade(&buckets)));
        tokio::spawn(open::close_unused(Arc::downgrade(&buckets)));
        buckets
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Buckets").finish_non_exhaustive()
    }
}
