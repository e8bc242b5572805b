//! V1: whether what this node answers for a bucket counts, which its lease says.

use std::fmt::Display;
use std::time::Duration;

use s3d_buckets::{Began, BucketRecord};
use tokio::time::{sleep, timeout};

use crate::lease::EVERY;
use crate::rack::Rack;

/// How long volumed may take to say for how long the lease stands.
const PATIENCE: Duration = Duration::from_secs(2);

impl Rack {
    /// V1: what the owner of a bucket answers, if that counts: no other node can have had the bucket meanwhile. The lease
    /// first: where volumed has taken a new one, it has ended the connections of the one before.
    pub(crate) async fn as_owner<A: Future>(
        &self,
        bucket: &BucketRecord,
        answer: A,
    ) -> Option<A::Output> {
        let began = self.0.buckets.begin();
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            () = self.0.lease.until_lapsed() => return None,
        };
        self.counts(bucket, began).await.then_some(answer)
    }

    /// V1: whether what a request read of a bucket counts.
    pub(crate) async fn counts(&self, bucket: &BucketRecord, began: Began) -> bool {
        self.0.lease.stands() && self.0.buckets.counts(bucket, began).await
    }

    /// Asks this node's volumed for ever for how many milliseconds the node may serve; it answers none where there is
    /// no cluster. Nothing is answered before it said so.
    pub async fn keep_lease<E, A>(&self, ask: impl Fn() -> A)
    where
        E: Display,
        A: Future<Output = Result<Option<u64>, E>>,
    {
        self.0.lease.set(0, Some(0));
        tokio::join!(self.ask_for_lease(ask), self.0.lease.watch());
    }

    async fn ask_for_lease<E, A>(&self, ask: impl Fn() -> A)
    where
        E: Display,
        A: Future<Output = Result<Option<u64>, E>>,
    {
        let lease = &self.0.lease;
        loop {
            let asked = lease.now();
            match timeout(PATIENCE, ask()).await {
                Ok(Ok(left)) => lease.set(asked, left),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "volumed does not say how long this node may serve");
                }
                Err(_) => {
                    tracing::warn!("volumed does not say in time how long this node may serve");
                }
            }
            sleep(EVERY).await;
        }
    }
}
