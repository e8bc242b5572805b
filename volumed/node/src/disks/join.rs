//! Disks that join the pool, or come back, while volumes run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use volumed_core::message::{ExtentFile, ReplicaError};
use volumed_core::replica::Replica;
use volumed_core::{DiskId, DiskNumber};
use volumed_disk::Disk;

use crate::disks::PoolDisk;
use crate::disks::added::{find, record_of, settings_of};
use crate::disks::leftovers::Leftovers;
use crate::disks::numbers::{join, number_of};
use crate::disks::open::{blocking, disk_error, open_disk};
use crate::error::{ChangeDiskError, PlacementsError, StartError};
use crate::machine::{Held, Node};
use crate::scrub;
use crate::store::disk_record::{note_added, refuse_removed};
use crate::store::recorded::{Recorded, read_volumes};
use crate::store::records::{AddedDisk, DiskRecord, decode, disk_key};
use crate::store::state::{StoreState, serve};
use crate::store::{damage, placements};
use crate::view::{DiskSettings, DiskView};
use crate::volume::Volume;
use crate::volumes::Volumes;

impl Volumes {
    /// Takes one more directory into the pool, durably: extents may be placed there once this answers,
    /// and the next start finds it without being told.
    pub async fn add_disk(&self, settings: DiskSettings) -> Result<DiskView, ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        let node = &self.shared.node;
        let here = node.disks.all();
        let real = settings.path.canonicalize().ok();
        if let Some(on) = here
            .values()
            .find(|on| Some(on.disk.path()) == real.as_deref())
        {
            self.finish_removal(on).await?;
        }
        drop(here);
        let opened = open(settings.clone(), node).await?;
        let id = opened.id();
        if node.disks.find(id).is_some() {
            return Err(ChangeDiskError::InPool(id));
        }
        let state = StoreState::read(&*node.store).await?;
        let settings = DiskSettings {
            path: opened.path().to_owned(),
            ..settings
        };
        let number = match number_of(&*node.store, &state, &opened).await? {
            Some(number) => number,
            None => join(&*node.store, &opened, None).await?,
        };
        let added = record_of(&settings);
        self.take_in(number, opened, Some(added)).await?;
        self.view_of(id)
    }

    /// Takes a disk back that failed (V8), or was missing at the start. Clients of volumes that have
    /// something there lose their connections first, as if the daemon had been started anew: what
    /// they have not flushed may be lost (V9).
    pub async fn retry_disk(&self, id: DiskId) -> Result<DiskView, ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        refuse_removed(&*self.shared.node.store, id).await?;
        match self.shared.node.disks.find(id) {
            Some(on) if on.disk.failed() => {
                let failed = Arc::clone(&on.disk);
                let reopened = blocking(move || failed.reopen().map_err(disk_error(failed.path())));
                self.take_in(on.number, reopened.await?, None).await?;
            }
            // When it was taken in, the store was away before every volume had a replica there.
            Some(on) if self.shared.all().iter().any(|it| !it.machine.is_on(&on)) => {
                self.take_in_replicas(&on).await?;
            }
            Some(_) => return Err(ChangeDiskError::Serves(id)),
            None => self.take_in_missing(id).await?,
        }
        self.view_of(id)
    }

    async fn take_in_missing(&self, id: DiskId) -> Result<(), ChangeDiskError> {
        let node = &self.shared.node;
        let missing = node.disks.missing();
        let (&number, found) = missing
            .iter()
            .find(|(_, it)| it.id == id)
            .ok_or(ChangeDiskError::NotFound(id))?;
        let entry = node.store.get(&disk_key(id)).await?;
        let record: Option<DiskRecord> = entry.as_ref().map(decode).transpose()?;
        let path = found.path.clone();
        let Some(added) = record.and_then(|record| record.added) else {
            let why = "it is one of the settings, which only a start looks for".to_owned();
            return Err(ChangeDiskError::Missing { id, path, why });
        };
        find(id, &added).map_err(|why| ChangeDiskError::Missing { id, path, why })?;
        let disk = open(settings_of(added), node).await?;
        let state = StoreState::read(&*node.store).await?;
        number_of(&*node.store, &state, &disk).await?;
        self.take_in(number, disk, None).await
    }

    pub(crate) fn view_of(&self, id: DiskId) -> Result<DiskView, ChangeDiskError> {
        let on = self.shared.node.disks.find(id);
        let on = on.ok_or(ChangeDiskError::NotFound(id))?;
        Ok(self.shared.view(&on))
    }

    /// Has a disk serve under its number: leftovers are collected, the disk is told of the store, and
    /// every volume gets a replica there. `added` is recorded before anything can be placed on it.
    async fn take_in(
        &self,
        number: DiskNumber,
        disk: Disk,
        added: Option<AddedDisk>,
    ) -> Result<(), ChangeDiskError> {
        let node = &self.shared.node;
        let disk = Arc::new(disk);
        self.collect_leftovers(number, &disk).await?;
        self.count_start(number, &disk).await?;
        scrub::work::begin(&self.shared, number).await;
        if let Some(added) = added {
            note_added(&*node.store, disk.id(), added).await?;
            node.disks.set_draining(number, false);
        }
        let on = PoolDisk::new(number, disk).map_err(StartError::Threads)?;
        node.disks.put(Arc::clone(&on));
        node.disks.share_file_systems();
        self.take_in_replicas(&on).await
    }

    /// V11: as at a start, everything is looked at before anything is removed.
    async fn collect_leftovers(
        &self,
        number: DiskNumber,
        disk: &Arc<Disk>,
    ) -> Result<(), ChangeDiskError> {
        // What was to be placed on the disk before it failed has its record now, or never gets one.
        for volume in self.shared.all() {
            volume.machine.placed().await;
        }
        let node = &self.shared.node;
        let recorded = read_volumes(&*node.store).await?;
        let revision = node.now().await?.0;
        let disk = Arc::clone(disk);
        let collected = blocking(move || {
            let placed = |volume| {
                let known: &Recorded = recorded.get(&volume)?;
                Some(known.placements.on(number))
            };
            Leftovers::find(&disk, placed, revision)?.collect();
            Ok(())
        });
        Ok(collected.await?)
    }

    /// Has store and disks count a start, this disk among them.
    async fn count_start(
        &self,
        number: DiskNumber,
        disk: &Arc<Disk>,
    ) -> Result<(), ChangeDiskError> {
        let node = &self.shared.node;
        // One at a time.
        let _turn = self.shared.copies.turn.lock().await;
        let state = StoreState::read(&*node.store).await?;
        let all = node.disks.all();
        let others = all.values().filter(|on| on.number != number);
        let well = others.filter(|on| !on.disk.failed());
        let well = well.map(|on| (on.number, Arc::clone(&on.disk)));
        let mut disks: BTreeMap<_, _> = well.collect();
        disks.insert(number, Arc::clone(disk));
        serve(&*node.store, state, disks, node.own()).await?;
        Ok(())
    }

    /// A volume that is made from here on finds the disk by itself.
    async fn take_in_replicas(&self, on: &Arc<PoolDisk>) -> Result<(), ChangeDiskError> {
        for volume in self.shared.all() {
            volume.take_in(on).await?;
        }
        on.disk.measure().map_err(disk_error(on.disk.path()))?;
        Ok(())
    }
}

/// Opens one more disk of the node's.
async fn open(settings: DiskSettings, node: &Node) -> Result<Disk, StartError> {
    let disks = node.disks.all().len() + 1;
    let open_extents = node.open_extents.on_each(disks);
    blocking(move || open_disk(settings, open_extents)).await
}

impl Volume {
    /// Makes the volume's replica on a disk from what the disk holds. With something of the volume on
    /// it, its head begins anew when the volume is opened next.
    async fn take_in(&self, on: &Arc<PoolDisk>) -> Result<(), ChangeDiskError> {
        let mut seat = self.seat.lock().await;
        if seat.deleted || self.machine.is_on(on) {
            return Ok(());
        }
        let store = &*self.node().store;
        let (placed, stale) = match placements::load(store, self.id).await {
            Ok(placements) => {
                let stale = placements.stale.contains(&on.number);
                (placements.on(on.number), stale)
            }
            Err(PlacementsError::Gone | PlacementsError::Overtaken) => return Ok(()),
            Err(PlacementsError::Record(error)) => return Err(error.into()),
            Err(PlacementsError::Store(error)) => return Err(error.into()),
        };
        // A head that goes on without the disk resyncs it.
        let ends = !placed.is_empty() && !self.machine.does_without(on.number) && !stale;
        if ends {
            // The requests that are under way end, with errors where they need the disk.
            self.end(&mut seat).await;
            self.machine.quiet(true).await;
        }
        self.machine.idle_on(on.number).await;
        self.token_meets(on, ends).await?;
        // Nothing is noted between what the store is asked and what the replica is told.
        let mut kept = self.machine.damage.lock().await;
        let damage = damage::load(store, self.id).await?.remove(&on.number);
        let damage = damage.unwrap_or_default();
        match self.recover(on, placed).await? {
            Ok(mut replica) => {
                replica.recall_damage(damage.clone());
                kept.insert(on.number, damage);
                let on = Arc::clone(on);
                self.machine.put_replica(Held { on, replica });
                // Nothing else of the volume came back, and its head goes on and knows better.
                if ends {
                    self.know_lost().await?;
                }
            }
            Err(error) => {
                tracing::error!(volume = %self.name, disk = %on.disk.id(), %error, "the promise is damaged");
            }
        }
        Ok(())
    }

    /// What was lost with the disk is there again, if that left the pool and comes back.
    pub(crate) async fn know_lost(&self) -> Result<(), ChangeDiskError> {
        let placements = self.load_placements().await?;
        self.machine.know_lost(placements.lost);
        Ok(())
    }

    async fn recover(
        &self,
        on: &Arc<PoolDisk>,
        placed: BTreeSet<ExtentFile>,
    ) -> Result<Result<Replica, ReplicaError>, StartError> {
        let (id, number, disk) = (self.id, on.number, Arc::clone(&on.disk));
        blocking(move || {
            let found = disk.recover(id, placed).map_err(disk_error(disk.path()))?;
            Ok(Replica::recover(
                id,
                number,
                Arc::clone(disk.space()),
                found,
            ))
        })
        .await
    }
}
