//! Renaming a prefix of a bucket, for those who act in its namespace's name.

use std::sync::Arc;

use s3d_bucket::ChangeError;

use super::Buckets;
use super::open::OpenBucketError;
use super::record::BucketRecord;

/// What is done to the objects below both prefixes, as bucket policies call it. Who may not read below
/// one prefix must not come to read the same objects below the other.
const ACTIONS: [&str; 3] = ["PutObject", "GetObject", "DeleteObject"];

/// Why a prefix was not renamed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenamePrefixError {
    /// The bucket's policy denies its own namespace to read, write or delete something there.
    #[error("the bucket's policy denies that keys below this prefix are read, written or deleted")]
    Denied,
    /// The bucket cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenBucketError),
    /// The bucket refused, or failed.
    #[error(transparent)]
    Refused(#[from] ChangeError),
}

impl Buckets {
    /// See [`Bucket::rename_prefix`](s3d_bucket::Bucket::rename_prefix). The caller may read, write and
    /// delete in the bucket's namespace; its policy must deny that nowhere below the prefixes.
    pub async fn rename_prefix(
        self: &Arc<Self>,
        bucket: &BucketRecord,
        from: &str,
        to: &str,
        replace_marker: bool,
    ) -> Result<u64, RenamePrefixError> {
        if [from, to].iter().any(|prefix| may_deny(bucket, prefix)) {
            return Err(RenamePrefixError::Denied);
        }
        let open = self.open(bucket).await?;
        let renamed = open.rename_prefix(from.to_owned(), to.to_owned(), replace_marker);
        Ok(renamed.await?)
    }
}

fn may_deny(bucket: &BucketRecord, prefix: &str) -> bool {
    ACTIONS
        .iter()
        .any(|action| bucket.may_deny_below(action, prefix))
}
