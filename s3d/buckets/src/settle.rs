//! Finishes what a crash, or a volume daemon that was away, left half done.

use std::sync::Weak;

use super::Buckets;
use super::record::{Status, UNSETTLED, unsettled_key};
use s3d_names::BucketName;
use s3d_records::{RecordError, delete};
use volumed_cluster::NodeNumber;

pub async fn run(buckets: Weak<Buckets>) {
    loop {
        let Some(strong) = buckets.upgrade() else {
            return;
        };
        if let Err(error) = strong.settle_all().await {
            tracing::warn!(%error, "cannot look after unsettled buckets");
        }
        let pause = strong.settings.settle_every;
        drop(strong);
        tokio::time::sleep(pause).await;
    }
}

impl Buckets {
    /// Tries once to settle every bucket that is being made or deleted, but for those that another
    /// node is at.
    pub(super) async fn settle_all(&self) -> Result<(), RecordError> {
        let unsettled = self.records.list::<Option<NodeNumber>>(UNSETTLED);
        for (name, by) in unsettled.await? {
            if by.record.is_some_and(|node| self.neighbours.serves(node)) {
                continue;
            }
            let name = BucketName::new(name.clone())
                .map_err(|_| RecordError::Damaged(format!("{UNSETTLED}{name}")))?;
            if let Err(error) = self.settle(&name).await {
                tracing::info!(bucket = %name, %error, "the bucket is not settled yet");
            }
        }
        Ok(())
    }

    async fn settle(&self, name: &BucketName) -> Result<(), SettleError> {
        let turn = self.turns.of(name.as_str());
        let _turn = turn.lock().await;
        match self.read(name).await?.map(|stored| stored.record.status) {
            Some(Status::Provisioning) => {
                self.provision(name).await?;
            }
            Some(Status::Deleting) => self.finish_deletion(name).await?,
            Some(Status::Provisioned) | None => {
                self.records
                    .commit(vec![], vec![delete(unsettled_key(name))])
                    .await?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Provision(#[from] super::create::ProvisionError),
    #[error(transparent)]
    Deletion(#[from] super::delete::FinishDeletionError),
    #[error(transparent)]
    Records(#[from] RecordError),
}
