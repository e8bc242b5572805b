//! Making a volume: its record, then its replicas, which hold nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use volumed_core::format::Slots;
use volumed_core::replica::{Recovered, Replica};
use volumed_core::{ByteCount, VolumeId};
use volumed_disk::Disk;
use volumed_meta::{Change, Compare, Outcome, Revision};

use crate::error::CreateVolumeError;
use crate::machine::{Held, Machine};
use crate::name::VolumeName;
use crate::store::records::{
    REPLICATED, VERSION, VOLUME_COUNTER, VolumeRecord, encode, name_key, unreadable, volume_key,
};
use crate::view::VolumeView;
use crate::volume::Volume;
use crate::volume::auto_grow::{AutoGrow, is_possible};
use crate::volume::quota;
use crate::volumes::{Shared, Volumes};

/// How many replicas a volume may have.
pub(crate) const MOST_REPLICAS: u8 = 3;

/// In place of a number of replicas: as many as the cluster has nodes that are not drained, at most 3, also when that changes.
pub const AUTO_REPLICAS: u8 = 0;

impl Volumes {
    /// Creates a volume of `size` bytes, 0 to 1 EiB and a multiple of 4096; it takes no space. With
    /// `auto_grow` it grows by itself. `replicas` are 1 to 3 copies, or [`AUTO_REPLICAS`]. It never holds more than the quota, one replica counted.
    pub async fn create(
        &self,
        name: &VolumeName,
        size: ByteCount,
        replicas: u8,
        auto_grow: Option<AutoGrow>,
        quota: Option<ByteCount>,
    ) -> Result<VolumeView, CreateVolumeError> {
        if self.stopping() {
            return Err(CreateVolumeError::Stopping);
        }
        if !is_possible(size) {
            return Err(CreateVolumeError::Size);
        }
        if auto_grow.is_some_and(|auto| !auto.is_possible(size)) {
            return Err(CreateVolumeError::AutoGrow);
        }
        if !quota.is_none_or(quota::is_possible) {
            return Err(CreateVolumeError::Quota);
        }
        let disks = self.shared.node.disks_of_pool();
        let auto_replicas = replicas == AUTO_REPLICAS;
        let replicas = if auto_replicas {
            self.shared.node.auto_replicas()
        } else {
            replicas
        };
        if !(1..=MOST_REPLICAS).contains(&replicas) || usize::from(replicas) > disks {
            return Err(CreateVolumeError::Replicas { replicas, disks });
        }
        let record = VolumeRecord {
            version: if replicas > 1 { REPLICATED } else { VERSION },
            name: name.as_str().to_owned(),
            size: size.0,
            replicas,
            auto_replicas,
            epoch: 0,
            owner: None,
            node: None,
            token: None,
            auto_grow,
            quota: quota.map(|quota| quota.0),
            in_sync: BTreeMap::new(),
        };
        let (id, revision) = self.record_volume(name, &record).await?;
        // A disk that is taken in meanwhile is found here, or finds the volume there.
        let mut volumes = self.shared.volumes.write();
        // So is one that was heard of by way of the store.
        if let Some(found) = volumes.get(name).filter(|found| found.id == id) {
            return Ok(found.view());
        }
        let volume = self.shared.new_volume(id, name, (record, revision));
        let view = volume.view();
        volumes.insert(name.clone(), volume);
        Ok(view)
    }

    /// Takes the next id and writes the record; both or neither.
    async fn record_volume(
        &self,
        name: &VolumeName,
        record: &VolumeRecord,
    ) -> Result<(VolumeId, Revision), CreateVolumeError> {
        let store = &self.shared.node.store;
        let counter = VOLUME_COUNTER.to_vec();
        loop {
            let (last, same) = match store.get(VOLUME_COUNTER).await? {
                None => (0, Compare::Absent(counter.clone())),
                Some(entry) => {
                    let text = String::from_utf8_lossy(&entry.value).into_owned();
                    let last = text.parse::<u64>();
                    let last = last.map_err(|error| unreadable(VOLUME_COUNTER, error))?;
                    (last, Compare::Unchanged(counter.clone(), entry.modified))
                }
            };
            let id = VolumeId(last + 1);
            let compares = vec![same, Compare::Absent(name_key(name.as_str()))];
            let changes = vec![
                Change::Put(counter.clone(), (last + 1).to_string().into_bytes()),
                Change::Put(name_key(name.as_str()), id.to_string().into_bytes()),
                Change::Put(volume_key(id), encode(record)),
            ];
            if let Outcome::Committed(revision) = store.transact(compares, changes).await? {
                return Ok((id, revision));
            }
            if store.get(&name_key(name.as_str())).await?.is_some() {
                return Err(CreateVolumeError::Exists(name.clone()));
            }
        }
    }
}

impl Shared {
    fn new_volume(
        &self,
        id: VolumeId,
        name: &VolumeName,
        (record, revision): (VolumeRecord, Revision),
    ) -> Arc<Volume> {
        let nothing = |disk: &Disk| Recovered {
            incarnation: disk.incarnation(),
            promise: Slots::Fresh,
            log: Slots::Fresh,
            missed: Slots::Fresh,
            extents: Vec::new(),
        };
        let disks = self.node.disks.all();
        let replicas = disks.iter().filter_map(|(&number, on)| {
            let (on, space) = (Arc::clone(on), Arc::clone(on.disk.space()));
            let replica = Replica::recover(id, number, space, nothing(&on.disk)).ok()?;
            Some((number, Held { on, replica }))
        });
        let replicas = replicas.collect();
        let machine = Machine::new(id, record.replicas, Arc::clone(&self.node), replicas);
        Volume::new(id, name.clone(), (record, revision), machine)
    }
}
