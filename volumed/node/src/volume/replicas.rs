//! How many replicas a volume has: that can change while clients write.

use crate::error::SetReplicasError;
use crate::name::VolumeName;
use crate::store::records::REPLICATED;
use crate::view::VolumeView;
use crate::volume::Volume;
use crate::volume::create::{AUTO_REPLICAS, MOST_REPLICAS};
use crate::volumes::Volumes;

impl Volumes {
    /// Has a volume have so many replicas, 1 to 3 and no fewer than now, or [`AUTO_REPLICAS`]. What it holds gets
    /// them in the background.
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
        let now = volume.view().replicas;
        let replicas = if auto {
            node.auto_replicas().max(now)
        } else {
            replicas
        };
        if !(1..=MOST_REPLICAS).contains(&replicas) || usize::from(replicas) > disks {
            return Err(SetReplicasError::Replicas { replicas, disks });
        }
        if replicas < now {
            return Err(SetReplicasError::Fewer(name.clone(), now));
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
            record.replicas = record.replicas.max(replicas);
            record.auto_replicas = auto;
            if record.replicas > 1 {
                record.version = REPLICATED;
                let serving = in_sync.iter().map(|(disk, it)| (disk.0, it.0));
                record.in_sync.extend(serving);
            }
        })
        .await
        .map_err(|error| self.not_set(error))?;
        self.machine.noted(in_sync.into_iter());
        self.machine.set_replicas(self.view().replicas);
        Ok(())
    }

    fn not_set(&self, error: crate::AttachError) -> SetReplicasError {
        match error {
            crate::AttachError::Record(error) => SetReplicasError::Record(error),
            crate::AttachError::Store(error) => SetReplicasError::Store(error),
            _ => SetReplicasError::NotFound(self.name.clone()),
        }
    }
}
