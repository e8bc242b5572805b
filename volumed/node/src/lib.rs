//! The volumes of a node on its disks: [`Volumes`] runs the core's machines on threads, disks and the
//! metadata store. Volumes are created, attached, opened for a client as an [`Export`], and deleted;
//! disks are added, drained, scrubbed and removed. Names and settings come in checked; what there is
//! goes out as views, and each operation has an error of its own.

mod activity;
mod added;
mod auto_grow;
mod copies;
mod damage;
mod disks;
mod drain;
mod error;
mod export;
mod groups;
mod growth;
mod import;
mod join;
mod leave;
mod leftovers;
mod lost;
mod machine;
mod moving;
mod name;
mod open_extents;
mod placements;
mod placer;
mod pool;
mod quota;
mod records;
mod restore;
mod scrub;
mod start;
mod store_format;
mod store_state;
#[cfg(test)]
mod tests;
mod token;
mod view;
mod volume;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use volumed_core::{ByteCount, VolumeId};
use volumed_meta::{Change, Compare, MetaStore, Outcome, StoreError};

pub use activity::{Activity, DiskWork, VolumeActivity};
pub use auto_grow::AutoGrow;
pub use error::{
    AttachError, BackUpError, ChangeDiskError, CreateVolumeError, DeleteVolumeError, DetachError,
    GrowVolumeError, LimitVolumeError, OpenExportError, RecordError, ShowVolumeError, StartError,
};
pub use export::Export;
pub use import::{ImportStoreError, import_store};
pub use name::{
    Access, ExportName, InvalidExportName, InvalidOwnerId, InvalidVolumeName, OwnerId, VolumeName,
};
pub use open_extents::OpenExtents;
pub use restore::{Loss, RestoreError, Restored, restore};
pub use scrub::ScrubSettings;
pub use token::{InvalidToken, Token};
pub use view::{
    Attachment, CopyView, DamageView, DamagedRange, DiskCopiesView, DiskSettings, DiskState,
    DiskView, DrainState, DrainView, PoolView, ScrubState, ScrubView, StoreView, VolumeView,
};

use auto_grow::is_possible;
use copies::Copies;
use disks::PoolDisk;
use drain::Drains;
use machine::{Held, Machine, Node};
use records::{VERSION, VOLUME_COUNTER, VolumeRecord, encode, name_key, unreadable, volume_key};
use scrub::Scrubs;
use volume::Volume;
use volumed_core::format::Slots;
use volumed_core::replica::{Recovered, Replica};
use volumed_disk::Disk;

/// How often idle regions are cleaned and disks are measured.
const TICK: Duration = Duration::from_secs(1);

/// Regions whose checksums all volumes in use keep in memory, 4 KiB each; they share them evenly.
const KEPT_SUMS: usize = 8192;

/// No volume keeps more: those of 16 GiB.
const MOST_SUMS: usize = 4096;

/// None keeps fewer.
const FEWEST_SUMS: usize = 64;

/// Every volume of this node. Cheap to clone: clones are the same volumes.
#[derive(Clone)]
pub struct Volumes {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    volumes: RwLock<BTreeMap<VolumeName, Arc<Volume>>>,
    stopping: AtomicBool,
    copies: Copies,
    scrubs: Scrubs,
    drains: Drains,
    /// Held while disks come or go.
    disk_turn: tokio::sync::Mutex<()>,
}

#[expect(clippy::unused_async, reason = "with several nodes these ask others")]
impl Volumes {
    /// Opens the disks, checks them against the store, and removes the files of what was deleted.
    pub async fn start(
        store: Arc<dyn MetaStore>,
        disks: Vec<DiskSettings>,
        open_extents: OpenExtents,
    ) -> Result<Self, StartError> {
        let (node, volumes) = start::start(store, disks, open_extents).await?;
        let (volumes, stopping) = (RwLock::new(volumes), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            node,
            volumes,
            stopping,
            copies: Copies::default(),
            scrubs: Scrubs::default(),
            drains: Drains::default(),
            disk_turn: tokio::sync::Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(shared) = weak.upgrade() else { return };
                shared.tick();
            }
        });
        Ok(Self { shared })
    }

    /// Creates a volume of `size` bytes, 0 to 1 EiB and a multiple of 4096; it takes no space. With
    /// `auto_grow` it grows by itself. It never holds more than the quota, one replica counted.
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
        if replicas != 1 {
            return Err(CreateVolumeError::Replicas(replicas));
        }
        let record = VolumeRecord {
            version: VERSION,
            name: name.as_str().to_owned(),
            size: size.0,
            replicas,
            epoch: 0,
            owner: None,
            token: None,
            auto_grow,
            quota: quota.map(|quota| quota.0),
        };
        let id = self.record_volume(name, &record).await?;
        // A disk that is taken in meanwhile is found here, or finds the volume there.
        let mut volumes = self.shared.volumes.write();
        let volume = self.shared.new_volume(id, name, record);
        let view = volume.view();
        volumes.insert(name.clone(), volume);
        Ok(view)
    }

    /// Takes the next id and writes the record; both or neither.
    async fn record_volume(
        &self,
        name: &VolumeName,
        record: &VolumeRecord,
    ) -> Result<VolumeId, CreateVolumeError> {
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
            if let Outcome::Committed(_) = store.transact(compares, changes).await? {
                return Ok(id);
            }
            if store.get(&name_key(name.as_str())).await?.is_some() {
                return Err(CreateVolumeError::Exists(name.clone()));
            }
        }
    }

    /// All volumes, by name.
    pub async fn list(&self) -> Result<Vec<VolumeView>, ShowVolumeError> {
        Ok(self
            .shared
            .all()
            .iter()
            .map(|volume| volume.view())
            .collect())
    }

    /// One volume.
    pub async fn show(&self, name: &VolumeName) -> Result<VolumeView, ShowVolumeError> {
        let volume = self
            .find(name)
            .ok_or_else(|| ShowVolumeError::NotFound(name.clone()))?;
        Ok(volume.view())
    }

    /// Makes a volume larger, if there is a size, and changes how it grows by itself, if that is said.
    /// Its connections may use the new size at once; what a client asked of
    /// the volume when it connected, it asks anew when it connects next.
    pub async fn grow(
        &self,
        name: &VolumeName,
        size: Option<ByteCount>,
        auto: Option<AutoGrow>,
    ) -> Result<VolumeView, GrowVolumeError> {
        let volume = self
            .find(name)
            .ok_or_else(|| GrowVolumeError::NotFound(name.clone()))?;
        volume.grow(size, auto).await?;
        Ok(volume.view())
    }

    /// Sets how many bytes a volume may hold, one replica counted; a multiple of 4096. Below what it
    /// holds, it takes no more until enough was given back.
    pub async fn limit(
        &self,
        name: &VolumeName,
        quota: Option<ByteCount>,
    ) -> Result<VolumeView, LimitVolumeError> {
        let volume = self
            .find(name)
            .ok_or_else(|| LimitVolumeError::NotFound(name.clone()))?;
        volume.limit(quota).await?;
        Ok(volume.view())
    }

    /// Deletes a volume that nobody is connected to; its space returns.
    pub async fn delete(&self, name: &VolumeName) -> Result<(), DeleteVolumeError> {
        let volume = self
            .find(name)
            .ok_or_else(|| DeleteVolumeError::NotFound(name.clone()))?;
        volume.delete().await?;
        let mut volumes = self.shared.volumes.write();
        // Another volume may have got the name since the record went.
        if volumes.get(name).is_some_and(|found| found.id == volume.id) {
            volumes.remove(name);
        }
        Ok(())
    }

    /// All disks together.
    pub async fn pool(&self) -> Result<PoolView, ShowVolumeError> {
        let mut pool = PoolView::default();
        for disk in self.disks().await {
            pool.capacity.0 += disk.capacity.0;
            pool.used.0 += disk.used.0;
            pool.free.0 += if disk.state == DiskState::Online && disk.drain.is_none() {
                disk.free.0
            } else {
                0
            };
            pool.disks += 1;
        }
        pool.volumes = self.shared.volumes.read().len() as u32;
        Ok(pool)
    }

    /// Every disk.
    pub async fn disks(&self) -> Vec<DiskView> {
        let disks = &self.shared.node.disks;
        let missing = disks.missing();
        let missing = missing.values().map(DiskView::missing);
        let here = disks.all();
        let here = here.values().map(|on| self.shared.view(on));
        here.chain(missing).collect()
    }

    /// Where the settings name disks that were removed from the pool.
    pub fn removed_and_named(&self) -> Vec<PathBuf> {
        self.shared.node.disks.removed_and_named()
    }

    /// Whether the daemon still takes requests.
    pub fn is_stopping(&self) -> bool {
        self.stopping()
    }

    /// Asks the metadata store for a sign of life.
    pub async fn store_answers(&self) -> Result<(), StoreError> {
        self.shared.node.store.revision().await.map(|_| ())
    }

    /// Regions whose sums do not count until they are made anew (V10).
    pub fn suspect_regions(&self) -> usize {
        let volumes = self.shared.all();
        volumes.iter().map(|volume| volume.machine.suspects()).sum()
    }

    /// Makes `owner` the only owner (V1, V2): waits until the exports of whoever was it before
    /// are dropped, and answers when every in-sync replica has durably promised the new epoch.
    pub async fn attach(
        &self,
        name: &VolumeName,
        owner: OwnerId,
    ) -> Result<Attachment, AttachError> {
        self.find_attachable(name)?.attach(owner).await
    }

    /// Attaches anew for `owner`, unless somebody else has the volume by now: for an owner whose
    /// connections broke, so that what they left is fenced (V2). Another token than before says that
    /// something it did not flush may be lost (V9).
    pub async fn attach_again(
        &self,
        name: &VolumeName,
        owner: OwnerId,
    ) -> Result<Attachment, AttachError> {
        self.find_attachable(name)?.attach_again(owner).await
    }

    fn find_attachable(&self, name: &VolumeName) -> Result<Arc<Volume>, AttachError> {
        if self.stopping() {
            return Err(AttachError::Stopping);
        }
        self.find(name)
            .ok_or_else(|| AttachError::NotFound(name.clone()))
    }

    /// Gives the volume up: waits for its exports to be dropped and makes everything durable.
    pub async fn detach(&self, name: &VolumeName, owner: &OwnerId) -> Result<(), DetachError> {
        let volume = self
            .find(name)
            .ok_or_else(|| DetachError::NotFound(name.clone()))?;
        volume.detach(owner).await
    }

    /// Opens a volume for one connection.
    pub async fn open(&self, export: &ExportName) -> Result<Arc<Export>, OpenExportError> {
        if self.stopping() {
            return Err(AttachError::Stopping.into());
        }
        let found = self.find(&export.volume);
        let volume = found.ok_or_else(|| OpenExportError::NotFound(export.volume.clone()))?;
        volume.open(export.access).await
    }

    /// Stops: revokes every export, waits for them, makes everything durable.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        let mut stopping = tokio::task::JoinSet::new();
        for volume in self.shared.all() {
            stopping.spawn(async move { volume.stop().await });
        }
        stopping.join_all().await;
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    fn find(&self, name: &VolumeName) -> Option<Arc<Volume>> {
        self.shared.volumes.read().get(name).cloned()
    }
}

impl Shared {
    fn all(&self) -> Vec<Arc<Volume>> {
        self.volumes.read().values().cloned().collect()
    }

    fn view(&self, on: &PoolDisk) -> DiskView {
        let drain = self.drains.view(on.number, on.disk.space().used());
        DiskView::of(&on.disk, drain)
    }

    fn tick(&self) {
        for on in self.node.disks.all().values() {
            if let Err(error) = on.disk.measure() {
                tracing::warn!(%error, "a disk's free space cannot be read");
            }
            if on.disk.unremoved() > 0 {
                let disk = Arc::clone(&on.disk);
                on.pool.run(move || disk.discard_again());
            }
        }
        let volumes = self.all();
        let served = volumes.iter().filter(|it| it.machine.has_head()).count();
        let sums = (KEPT_SUMS / served.max(1)).clamp(FEWEST_SUMS, MOST_SUMS);
        for volume in volumes {
            volume.machine.keep_sums(sums);
            volume.machine.tick();
            volume.grow_if_short();
        }
    }

    fn new_volume(&self, id: VolumeId, name: &VolumeName, record: VolumeRecord) -> Arc<Volume> {
        let nothing = |disk: &Disk| Recovered {
            incarnation: disk.incarnation(),
            promise: Slots::Fresh,
            log: Slots::Fresh,
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
        Volume::new(id, name.clone(), record, machine)
    }
}
