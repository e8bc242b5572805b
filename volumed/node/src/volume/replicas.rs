//! How many replicas a volume has: that can change while clients write.

use std::sync::Arc;

use volumed_cluster::{Registry as _, StoreRegistry};

use crate::error::SetReplicasError;
use crate::machine::remote::auto_replicas;
use crate::name::VolumeName;
use crate::store::records::REPLICATED;
use crate::view::VolumeView;
use crate::volume::Volume;
use crate::volume::create::{AUTO_REPLICAS, MOST_REPLICAS};
use crate::volumes::Volumes;

impl Volumes {
    /// Has a volume have so many replicas, 1 to 3, or [`AUTO_REPLICAS`]. What it holds gets them, or gives up those that
    /// are too much, in the background.
    pub async fn set_replicas(
        &self,
        name: &VolumeName,
        replicas: u8,
    ) -> Result<VolumeView, SetReplicasError> {
        let volume = self
            .find(name)
            .await?
            .ok_or_else(|| SetReplicasError::NotFound(name.clone()))?;
        let node = &self.shared.node;
        let (disks, auto) = (node.disks_of_pool(), replicas == AUTO_REPLICAS);
        let replicas = if auto { node.auto_replicas() } else { replicas };
        if !(1..=MOST_REPLICAS).contains(&replicas) || usize::from(replicas) > disks {
            return Err(SetReplicasError::Replicas { replicas, disks });
        }
        volume.set_replicas(replicas, auto).await?;
        Ok(volume.view())
    }
}

impl Volume {
    pub(crate) async fn set_replicas(
        &self,
        replicas: u8,
        auto: bool,
    ) -> Result<(), SetReplicasError> {
        // V7: should one of them lose what was not flushed, there are others from now on.
        let in_sync = self.machine.in_sync();
        self.change_record(|record| {
            record.replicas = replicas;
            record.auto_replicas = auto;
            if record.replicas > 1 || !record.in_sync.is_empty() {
                record.version = REPLICATED;
                let serving = in_sync.iter().map(|(disk, it)| (disk.0, it.0));
                record.in_sync.extend(serving);
            }
        })
        .await
        .map_err(|error| self.not_set(error))?;
        self.machine.noted(in_sync.into_iter());
        let view = self.view();
        self.machine.set_replicas(view.replicas);
        self.machine.limit(view.quota);
        Ok(())
    }

    /// How many replicas each extent is to have with so many for a volume without a number of its own.
    pub(crate) fn wanted_replicas(&self, auto: u8) -> u8 {
        let view = self.view();
        if view.auto_replicas {
            auto
        } else {
            view.replicas
        }
    }

    /// A volume that has as many replicas as there are nodes gets more with them, and has fewer without them. That
    /// there are fewer nodes must be in the store: what this one knows may be older.
    pub(crate) async fn follow_nodes(&self, auto: u8) {
        let (now, wanted) = (self.machine.replicas(), self.wanted_replicas(auto));
        if wanted == now || wanted < now && self.recorded_nodes().await != Some(wanted) {
            return;
        }
        tracing::info!(volume = %self.name, replicas = wanted, "the volume follows the number of nodes");
        if let Err(error) = self.set_replicas(wanted, true).await {
            tracing::warn!(volume = %self.name, %error, "the volume cannot have as many replicas as there are nodes yet");
        }
    }

    /// How many replicas such a volume has by the nodes that the store names; nothing if it does not answer.
    async fn recorded_nodes(&self) -> Option<u8> {
        let registry = StoreRegistry::new(Arc::clone(&self.node().store));
        let nodes = registry.nodes().await.ok()?;
        let used = nodes.iter().filter(|node| node.drain.is_none());
        Some(auto_replicas(used.count()))
    }

    fn not_set(&self, error: crate::AttachError) -> SetReplicasError {
        match error {
            crate::AttachError::Record(error) => SetReplicasError::Record(error),
            crate::AttachError::Store(error) => SetReplicasError::Store(error),
            _ => SetReplicasError::NotFound(self.name.clone()),
        }
    }
}
