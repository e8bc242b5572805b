//! Which node serves a bucket: its owner.

use std::time::Duration;

use volumed_cluster::NodeNumber;

use super::Buckets;
use super::open::OpenBucketError;
use super::record::BucketRecord;
use super::volumes::{Attachment, VolumeError};

/// How often a bucket that is given up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The node that serves a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// This one.
    Here,
    /// Another one.
    Elsewhere(NodeNumber),
    /// None: whoever is asked may open it.
    Nobody,
}

/// When a request began, as far as what it reads depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    losses: u64,
}

impl Buckets {
    /// To be called before a request reads anything of a bucket.
    pub fn begin(&self) -> Began {
        Began {
            losses: self.open.losses(),
        }
    }

    /// V1: whether what a request read of a bucket counts, since nobody else can have had its volume meanwhile. An
    /// index is in this process's memory: it does not notice by itself that the volume was taken over.
    pub async fn counts(&self, bucket: &BucketRecord, began: Began) -> bool {
        if let Some(hold) = self.open.hold(bucket.name.as_str(), bucket.id)
            && !hold.stands().await
        {
            return false;
        }
        self.open.losses() == began.losses
    }

    /// Whether the bucket is open here. In a cluster every request comes by here.
    pub fn is_open(&self, bucket: &BucketRecord) -> bool {
        self.open.get(bucket.name.as_str(), bucket.id).is_some()
    }

    /// Who serves a bucket now. It is not opened for that; while it is opened or closed here, this
    /// waits for the end of it.
    pub async fn server(&self, bucket: &BucketRecord) -> Result<Server, OpenBucketError> {
        let turn = self.turns.of(bucket.name.as_str());
        let _turn = turn.lock().await;
        if self.is_open(bucket) {
            return Ok(Server::Here);
        }
        Ok(match self.volumes.server(&bucket.volume).await? {
            Some(node) if Some(node) == self.neighbours.own() => Server::Here,
            Some(node) if self.neighbours.serves(node) => Server::Elsewhere(node),
            // A volume daemon that serves for an s3d that is gone serves nobody.
            _ => Server::Nobody,
        })
    }

    /// Attaches a volume, unless another node's s3d serves it.
    pub(super) async fn attach(&self, volume: &str) -> Result<Attachment, OpenBucketError> {
        match self.volumes.attach_unless_served(volume).await {
            Err(VolumeError::ServedElsewhere) => {}
            attached => return Ok(attached?),
        }
        match self.volumes.server(volume).await? {
            Some(node) if self.neighbours.serves(node) => {
                Err(OpenBucketError::ServedElsewhere(node))
            }
            _ => Ok(self.volumes.attach(volume).await?),
        }
    }

    /// Closes every bucket, one after the other, so that another node can open it. What is under way
    /// there ends first, unless it takes longer than `patience`; what comes meanwhile waits in
    /// [`server`](Self::server).
    pub async fn give_up_all(&self, patience: Duration) {
        // Who follows a bucket's changes holds it for hours.
        self.end_feeds();
        for name in self.open.names() {
            let turn = self.turns.of(&name);
            let _turn = turn.lock().await;
            let Some(open) = self.open.take(&name) else {
                continue;
            };
            let idle = async {
                while !open.is_idle() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            // What takes longer fails, and its client repeats it elsewhere.
            let _ = tokio::time::timeout(patience, idle).await;
            self.close(&name, open).await;
        }
        self.allow_feeds();
    }
}

#[cfg(test)]
mod tests;
