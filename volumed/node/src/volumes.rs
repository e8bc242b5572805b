//! Every volume of the node: listed, found, opened, stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use volumed_core::ByteCount;
use volumed_meta::{MetaStore, StoreError};

use crate::disks::PoolDisk;
use crate::disks::drains::Drains;
use crate::disks::open_extents::OpenExtents;
use crate::error::{
    AttachError, DeleteVolumeError, DetachError, GrowVolumeError, LimitVolumeError,
    OpenExportError, ShowVolumeError, StartError,
};
use crate::machine::Node;
use crate::name::{ExportName, OwnerId, VolumeName};
use crate::nodes::{self, OwnNode};
use crate::scrub::Scrubs;
use crate::start::start;
use crate::store::copies::Copies;
use crate::verify::Verifications;
use crate::view::{Attachment, DiskSettings, DiskState, DiskView, PoolView, VolumeView};
use crate::volume::Volume;
use crate::volume::auto_grow::AutoGrow;
use crate::volume::export::Export;
use crate::volume::serving::Claim;

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
    pub(crate) shared: Arc<Shared>,
}

/// What the clones of [`Volumes`] share.
pub(crate) struct Shared {
    pub node: Arc<Node>,
    pub volumes: RwLock<BTreeMap<VolumeName, Arc<Volume>>>,
    pub stopping: AtomicBool,
    /// Every volume is stopped.
    stopped: AtomicBool,
    pub copies: Copies,
    pub scrubs: Scrubs,
    pub drains: Drains,
    pub verifications: Verifications,
    /// For how long a node may be away before what it holds is made elsewhere, where that is done.
    pub grace: OnceLock<Duration>,
    /// Held while disks come or go.
    pub disk_turn: tokio::sync::Mutex<()>,
}

#[expect(clippy::unused_async, reason = "with several nodes these ask others")]
impl Volumes {
    /// Opens the disks, checks them against the store, and removes the files of what was deleted.
    /// `own`: this node, if it is in a cluster.
    pub async fn start(
        store: Arc<dyn MetaStore>,
        disks: Vec<DiskSettings>,
        open_extents: OpenExtents,
        own: Option<OwnNode>,
    ) -> Result<Self, StartError> {
        let (node, volumes) = start(store, disks, open_extents, own).await?;
        let (volumes, stopping) = (RwLock::new(volumes), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            node,
            volumes,
            stopping,
            stopped: AtomicBool::new(false),
            copies: Copies::default(),
            scrubs: Scrubs::default(),
            drains: Drains::default(),
            verifications: Verifications::default(),
            grace: OnceLock::new(),
            disk_turn: tokio::sync::Mutex::default(),
        });
        nodes::begin(&shared);
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

    /// All volumes, by name.
    pub async fn list(&self) -> Result<Vec<VolumeView>, ShowVolumeError> {
        Ok(self
            .shared
            .all()
            .iter()
            .map(|volume| volume.view())
            .collect())
    }

    /// At most `limit` volumes by name, those behind `after`, all or only the degraded ones; and whether there
    /// are more.
    pub fn page(&self, after: &str, limit: usize, only_degraded: bool) -> (Vec<VolumeView>, bool) {
        let volumes = self.shared.volumes.read();
        let behind = volumes.iter().filter(|(name, _)| name.as_str() > after);
        let views = behind.map(|(_, volume)| volume.view());
        let mut views = views.filter(|view| !only_degraded || view.is_degraded());
        let page = views.by_ref().take(limit).collect();
        (page, views.next().is_some())
    }

    /// One volume.
    pub async fn show(&self, name: &VolumeName) -> Result<VolumeView, ShowVolumeError> {
        let volume = self
            .find(name)
            .await?
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
            .await?
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
            .await?
            .ok_or_else(|| LimitVolumeError::NotFound(name.clone()))?;
        volume.limit(quota).await?;
        Ok(volume.view())
    }

    /// Deletes a volume that nobody is connected to; its space returns.
    pub async fn delete(&self, name: &VolumeName) -> Result<(), DeleteVolumeError> {
        let volume = self
            .find(name)
            .await?
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
        for node in self.nodes().iter().filter(|node| !node.here) {
            pool.capacity.0 += node.capacity.0;
            pool.used.0 += node.used.0;
            pool.free.0 += node.free.0;
            pool.disks += node.disks;
        }
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
        let volume = self.find_attachable(name).await?;
        volume.attach(owner, Claim::TakeOver).await
    }

    /// The same, unless another node serves the volume.
    pub async fn attach_unless_served(
        &self,
        name: &VolumeName,
        owner: OwnerId,
    ) -> Result<Attachment, AttachError> {
        let volume = self.find_attachable(name).await?;
        volume.attach(owner, Claim::UnlessServed).await
    }

    /// Attaches anew for `owner`, unless somebody else has the volume by now: for an owner whose
    /// connections broke, so that what they left is fenced (V2). Another token than before says that
    /// something it did not flush may be lost (V9).
    pub async fn attach_again(
        &self,
        name: &VolumeName,
        owner: OwnerId,
    ) -> Result<Attachment, AttachError> {
        let volume = self.find_attachable(name).await?;
        volume.attach_again(owner).await
    }

    async fn find_attachable(&self, name: &VolumeName) -> Result<Arc<Volume>, AttachError> {
        if self.stopping() {
            return Err(AttachError::Stopping);
        }
        self.find(name)
            .await?
            .ok_or_else(|| AttachError::NotFound(name.clone()))
    }

    /// Gives the volume up: waits for its exports to be dropped and makes everything durable.
    pub async fn detach(&self, name: &VolumeName, owner: &OwnerId) -> Result<(), DetachError> {
        let volume = self
            .find(name)
            .await?
            .ok_or_else(|| DetachError::NotFound(name.clone()))?;
        volume.detach(owner).await
    }

    /// Opens a volume for one connection.
    pub async fn open(&self, export: &ExportName) -> Result<Arc<Export>, OpenExportError> {
        if self.stopping() {
            return Err(AttachError::Stopping.into());
        }
        let found = self.find(&export.volume).await.map_err(AttachError::from)?;
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
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(others) = &self.shared.node.others
            && let Err(error) = others.lease.end(&*self.shared.node.store).await
        {
            tracing::warn!(%error, "other nodes take over only when this node's lease has ended");
        }
    }

    pub(crate) fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }
}

impl Shared {
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub fn all(&self) -> Vec<Arc<Volume>> {
        self.volumes.read().values().cloned().collect()
    }

    pub fn view(&self, on: &PoolDisk) -> DiskView {
        let drain = self.drains.view(on.number, on.disk.space().used());
        DiskView::of(&on.disk, drain)
    }

    pub fn tick(&self) {
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
            if self.node.others.is_none() || volume.machine.has_head() {
                volume.grow_if_short();
            }
        }
    }
}
