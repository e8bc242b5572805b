//! What has a history.

use s3d_bucket::BucketId;
use s3d_names::NamespaceName;

/// What has a history: a bucket, a namespace or the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What the keys of its records begin with.
    prefix: String,
}

impl Series {
    /// Of a bucket; one of the same name that is made later has another.
    pub fn bucket(id: BucketId) -> Self {
        Self::of(&format!("bucket/{:032x}", id.0))
    }

    /// Of all buckets of a namespace together.
    pub fn namespace(name: &NamespaceName) -> Self {
        Self::of(&format!("namespace/{name}"))
    }

    /// Of all disks together.
    pub fn pool() -> Self {
        Self::of("pool")
    }

    fn of(what: &str) -> Self {
        let prefix = format!("s3d/usage/{what}/");
        Self { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn now(&self) -> String {
        format!("{}now", self.prefix)
    }

    pub(crate) fn history(&self) -> String {
        format!("{}history", self.prefix)
    }
}
