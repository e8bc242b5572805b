//! One volume: its record, its machines and its session.

pub(crate) mod auto_grow;
pub(crate) mod create;
mod damage;
pub(crate) mod export;
pub(crate) mod growth;
mod load;
pub(crate) mod quota;
mod replicas;
pub(crate) mod serving;
pub(crate) mod token;
mod unflushed;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use volumed_core::{ByteCount, DiskNumber, Epoch, Incarnation, IoError, VolumeId};
use volumed_meta::{Change, Compare, Entry, Outcome, Revision};

use crate::error::{AttachError, DeleteVolumeError, DetachError, OpenExportError, PlacementsError};
use crate::machine::{Machine, Node};
use crate::name::{Access, OwnerId, VolumeName};
use crate::store::placements::{self, Placements};
use crate::store::records::{
    VolumeRecord, damage_prefix, decode, encode, extents_prefix, lost_prefix, name_key,
    stale_prefix, verified_key, verifying_key, volume_key,
};
use crate::view::{Attachment, VolumeView};
use crate::volume::export::{Export, Session};
use crate::volume::serving::Claim;
use crate::volume::token::TokenRecord;

pub(super) struct Volume {
    pub id: VolumeId,
    pub name: VolumeName,
    pub machine: Arc<Machine>,
    /// As it was last read or written, and when that was.
    record: Mutex<(VolumeRecord, Revision)>,
    /// Held through every change of owner.
    pub(super) seat: tokio::sync::Mutex<Seat>,
    /// A task makes it larger just now.
    pub(super) growing: AtomicBool,
}

#[derive(Default)]
pub(super) struct Seat {
    pub session: Option<Session>,
    pub deleted: bool,
}

impl Volume {
    pub fn new(
        id: VolumeId,
        name: VolumeName,
        record: (VolumeRecord, Revision),
        machine: Arc<Machine>,
    ) -> Arc<Self> {
        let (record, seat) = (Mutex::new(record), tokio::sync::Mutex::default());
        Arc::new(Self {
            id,
            name,
            machine,
            record,
            seat,
            growing: AtomicBool::new(false),
        })
    }

    pub fn view(&self) -> VolumeView {
        let record = &self.record.lock().0;
        VolumeView {
            id: self.id,
            name: self.name.clone(),
            size: ByteCount(record.size),
            replicas: record.replicas,
            auto_replicas: record.auto_replicas,
            used: self.machine.used(),
            epoch: Epoch(record.epoch),
            owner: record.owner.as_ref().and_then(|owner| owner.parse().ok()),
            auto_grow: record.auto_grow,
            damaged: self.machine.damaged(),
            lost: self.machine.lost_blocks(),
            quota: record.quota.map(ByteCount),
            stale: self.machine.stale_views(),
            node: self.serving_node(record),
        }
    }

    /// V1, V2: ends the session before and begins one for `owner`.
    pub async fn attach(&self, owner: OwnerId, claim: Claim) -> Result<Attachment, AttachError> {
        let mut seat = self.seat.lock().await;
        if claim == Claim::UnlessServed {
            self.refuse_if_served_elsewhere().await?;
        }
        self.begin(&mut seat, (Some(owner), claim), None).await?;
        self.attachment()
    }

    /// The same for an owner who has the volume still; under the same token while nothing that it did
    /// not flush can have been lost (V9).
    pub async fn attach_again(&self, owner: OwnerId) -> Result<Attachment, AttachError> {
        let mut seat = self.seat.lock().await;
        if seat.deleted {
            return Err(AttachError::NotFound(self.name.clone()));
        }
        self.refresh().await?;
        if self.owner().as_ref() != Some(&owner) {
            return Err(AttachError::NotOwner(self.name.clone(), owner));
        }
        self.end(&mut seat).await;
        let token = self.kept_token().await?;
        self.begin(&mut seat, (Some(owner), Claim::Again), token)
            .await?;
        self.attachment()
    }

    /// Reads the record anew, where another node may have changed it.
    pub(super) async fn refresh(&self) -> Result<(), AttachError> {
        if self.node().others.is_none() {
            return Ok(());
        }
        let entry = self.entry().await?;
        let entry = entry.ok_or_else(|| AttachError::NotFound(self.name.clone()))?;
        self.know(decode(&entry)?, entry.modified);
        Ok(())
    }

    fn attachment(&self) -> Result<Attachment, AttachError> {
        let record = &self.record.lock().0;
        let token = record.token.as_ref().map(|record| record.token);
        Ok(Attachment {
            epoch: Epoch(record.epoch),
            token: token.ok_or_else(|| AttachError::NotFound(self.name.clone()))?,
            size: ByteCount(record.size),
        })
    }

    pub(super) fn owner(&self) -> Option<OwnerId> {
        let record = &self.record.lock().0;
        record.owner.as_ref().and_then(|owner| owner.parse().ok())
    }

    pub(super) fn token(&self) -> Option<TokenRecord> {
        self.record.lock().0.token.clone()
    }

    /// `kept`: the token under which the owner goes on; without it, it gets a new one.
    pub(super) async fn begin(
        &self,
        seat: &mut Seat,
        (owner, claim): (Option<OwnerId>, Claim),
        kept: Option<TokenRecord>,
    ) -> Result<(), AttachError> {
        if seat.deleted {
            return Err(AttachError::NotFound(self.name.clone()));
        }
        self.end(seat).await;
        let disks = self.machine.incarnations();
        let token = match kept {
            Some(kept) => Some(kept.with(&disks)),
            None => owner.as_ref().map(|_| TokenRecord::new(&disks)),
        };
        let (epoch, size) = self
            .start_head(claim, |record| {
                record.owner = owner.as_ref().map(|owner| owner.as_str().to_owned());
                record.token.clone_from(&token);
            })
            .await?;
        seat.session = Some(Session::new(epoch, owner, size));
        Ok(())
    }

    /// Has a head under a new epoch, which nobody may be served by before.
    async fn start_head(
        &self,
        claim: Claim,
        edit: impl Fn(&mut VolumeRecord),
    ) -> Result<(Epoch, ByteCount), AttachError> {
        // What an abandoned head has under way is not the next one's.
        self.machine.placed().await;
        let record = self.claim(claim, edit).await?;
        let begun = self.begin_head(&record).await;
        let begun = match begun {
            Ok(begun) => self.refuse_if_wanted_elsewhere(&record).map(|()| begun),
            begun => begun,
        };
        if begun.is_err() {
            self.machine.abandon();
            self.leave(Epoch(record.epoch)).await;
        }
        begun
    }

    async fn begin_head(&self, record: &VolumeRecord) -> Result<(Epoch, ByteCount), AttachError> {
        let (epoch, size) = (Epoch(record.epoch), ByteCount(record.size));
        self.machine.set_replicas(record.replicas);
        let quota = record.quota.map(ByteCount);
        let placements = self.placements_of_head().await?;
        self.node().await_links().await;
        let known = record.in_sync.iter();
        let known = known.map(|(&disk, &it)| (DiskNumber(disk), Incarnation(it)));
        let known = known.collect();
        let started = self
            .machine
            .start_head(epoch, size, quota, placements, known);
        started.await.map_err(|error| match error {
            IoError::Exhausted => AttachError::Exhausted,
            _ => AttachError::Io(self.name.clone()),
        })?;
        self.repair_known_damage().await;
        if record.replicas > 1 || !record.in_sync.is_empty() {
            // Nothing was acknowledged yet under other incarnations than these.
            let in_sync = self.machine.in_sync();
            let mut serving = in_sync.iter().map(|(disk, it)| (disk.0, it.0));
            // Only heads write this, and there is no other one: after a clean end, it is there already.
            if !serving.all(|(disk, it)| record.in_sync.get(&disk) == Some(&it)) {
                self.change_record(|record| {
                    let serving = in_sync.iter().map(|(disk, it)| (disk.0, it.0));
                    record.in_sync.extend(serving);
                })
                .await?;
            }
            self.machine.noted(in_sync.into_iter());
        }
        Ok((epoch, size))
    }

    /// Where the volume is, and what is lost of it.
    pub(super) async fn load_placements(&self) -> Result<Placements, AttachError> {
        let placements = placements::load(&*self.node().store, self.id).await;
        let mut placements = placements.map_err(|error| self.placements_failed(error))?;
        placements.lose(&self.node().disks.removed());
        Ok(placements)
    }

    /// The same for a head: nobody goes on with the copies that an earlier one began, and what is on this
    /// node is the nearest.
    async fn placements_of_head(&self) -> Result<Placements, AttachError> {
        let mut placements = self.load_placements().await?;
        // An earlier head may have named one of them a replica just before it was forgotten.
        while !self.forget_copies(&mut placements).await? {
            placements = self.load_placements().await?;
        }
        let here = self.node().disks.all();
        placements.nearest_first(|disk| here.contains_key(&disk));
        Ok(placements)
    }

    /// Whether there were none.
    async fn forget_copies(&self, placements: &mut Placements) -> Result<bool, AttachError> {
        let copies = placements.forget_copies();
        let pages = self.machine.pages();
        for &file in &copies {
            let forgotten = placements::forget_copies(&pages, file).await;
            forgotten.map_err(|error| self.placements_failed(error))?;
        }
        Ok(copies.is_empty())
    }

    fn placements_failed(&self, error: PlacementsError) -> AttachError {
        match error {
            PlacementsError::Record(error) => AttachError::Record(error),
            PlacementsError::Store(error) => AttachError::Store(error),
            PlacementsError::Gone => AttachError::NotFound(self.name.clone()),
            PlacementsError::Overtaken => AttachError::Overtaken(self.name.clone()),
        }
    }

    /// Has a head, also while nobody has the volume: what it holds is to be moved.
    pub async fn serve(&self) -> Result<(), AttachError> {
        let seat = self.seat.lock().await;
        if seat.deleted {
            return Err(AttachError::NotFound(self.name.clone()));
        }
        if !self.machine.has_head() {
            self.start_head(Claim::UnlessServed, |_| {}).await?;
        }
        Ok(())
    }

    /// Does without a head again, if nobody has the volume.
    pub async fn rest(&self) {
        let mut seat = self.seat.lock().await;
        let unused = seat.session.is_none() && !seat.deleted && self.machine.has_head();
        if unused && self.settle(&mut seat).await.is_err() {
            tracing::warn!(volume = %self.name, "the volume could not be flushed");
        }
    }

    /// Ends the session, if there is one; what its connections sent is finished.
    pub(super) async fn end(&self, seat: &mut Seat) {
        if let Some(session) = seat.session.take() {
            session.end().await;
        }
        let epoch = self.machine.head_epoch();
        self.machine.end_head(false).await;
        if let Some(epoch) = epoch {
            self.leave(epoch).await;
        }
    }

    pub async fn detach(&self, owner: &OwnerId) -> Result<(), DetachError> {
        let mut seat = self.seat.lock().await;
        if seat.deleted {
            return Err(DetachError::NotFound(self.name.clone()));
        }
        // What is known here may be from before another node took the volume over.
        let _ = self.refresh().await;
        if self.record.lock().0.owner.as_deref() != Some(owner.as_str()) {
            return Err(DetachError::NotOwner(self.name.clone(), owner.clone()));
        }
        if self.settle(&mut seat).await.is_err() {
            return Err(DetachError::Io(self.name.clone()));
        }
        let owner = Some(owner.as_str());
        // Another node may have given it to somebody else since it was looked at.
        let give_up = |record: &mut VolumeRecord| {
            if record.owner.as_deref() == owner {
                (record.owner, record.token) = (None, None);
            }
        };
        self.change_record(give_up)
            .await
            .map_err(|error| match error {
                AttachError::Record(error) => DetachError::Record(error),
                AttachError::Store(error) => DetachError::Store(error),
                _ => DetachError::NotFound(self.name.clone()),
            })?;
        Ok(())
    }

    /// Ends the session cleanly: everything durable, the dirty logs empty.
    pub async fn stop(&self) {
        let mut seat = self.seat.lock().await;
        if self.settle(&mut seat).await.is_err() {
            tracing::error!(volume = %self.name, "the volume could not be flushed");
        }
    }

    async fn settle(&self, seat: &mut Seat) -> Result<(), IoError> {
        if let Some(session) = seat.session.take() {
            session.end().await;
        }
        self.machine.quiet(false).await;
        let settled = self.machine.settle().await;
        let epoch = self.machine.head_epoch();
        self.machine.end_head(true).await;
        self.machine.note_held().await;
        self.machine.rest();
        if let Some(epoch) = epoch {
            self.leave(epoch).await;
        }
        settled
    }

    /// Opens the volume for a connection.
    pub async fn open(&self, access: Access) -> Result<Arc<Export>, OpenExportError> {
        let mut seat = self.seat.lock().await;
        if seat.deleted {
            return Err(OpenExportError::NotFound(self.name.clone()));
        }
        match access {
            Access::Epoch(epoch) => {
                let current =
                    |session: &&Session| session.epoch == epoch && session.owner.is_some();
                let session = seat.session.as_ref().filter(current);
                let session = session.ok_or(OpenExportError::Epoch(self.name.clone(), epoch))?;
                Ok(session.export(&self.machine))
            }
            Access::Token(token) => self.open_again(&mut seat, token).await,
            Access::Anybody => {
                if self.record.lock().0.owner.is_some() {
                    return Err(OpenExportError::Owned(self.name.clone()));
                }
                if seat.session.is_none() {
                    self.begin(&mut seat, (None, Claim::UnlessServed), None)
                        .await?;
                }
                self.export(&seat)
            }
        }
    }

    pub(super) fn export(&self, seat: &Seat) -> Result<Arc<Export>, OpenExportError> {
        let session = seat.session.as_ref();
        let session = session.ok_or_else(|| OpenExportError::NotFound(self.name.clone()))?;
        Ok(session.export(&self.machine))
    }

    /// Removes the record, then the files.
    pub async fn delete(&self) -> Result<(), DeleteVolumeError> {
        let mut seat = self.seat.lock().await;
        if seat.deleted {
            return Err(DeleteVolumeError::NotFound(self.name.clone()));
        }
        if seat.session.as_ref().is_some_and(Session::in_use) {
            return Err(DeleteVolumeError::Attached(self.name.clone()));
        }
        if self.served_elsewhere().await?.is_some() {
            return Err(DeleteVolumeError::Attached(self.name.clone()));
        }
        self.end(&mut seat).await;
        let entry = self.entry().await?;
        if let Some(entry) = entry {
            let same = Compare::Unchanged(entry.key.clone(), entry.modified);
            let changes = vec![
                Change::Delete(entry.key),
                Change::Delete(name_key(self.name.as_str())),
                Change::DeletePrefix(extents_prefix(self.id)),
                Change::DeletePrefix(stale_prefix(self.id)),
                Change::DeletePrefix(damage_prefix(self.id)),
                Change::DeletePrefix(lost_prefix(self.id)),
                Change::Delete(verifying_key(self.id)),
                Change::Delete(verified_key(self.id)),
            ];
            match self.node().store.transact(vec![same], changes).await? {
                Outcome::Committed(_) => {}
                Outcome::Refused => return Err(DeleteVolumeError::Attached(self.name.clone())),
            }
        }
        seat.deleted = true;
        self.machine.quiet(true).await;
        self.release();
        Ok(())
    }

    /// Gives the space back and unlinks the files; what a crash leaves is collected at the start.
    fn release(&self) {
        self.machine.release();
        for on in self.node().disks.all().values() {
            let (disk, volume) = (Arc::clone(&on.disk), self.id);
            on.pool.run(move || disk.discard(volume, None));
        }
    }

    pub(super) fn node(&self) -> &Node {
        &self.machine.node
    }

    async fn entry(&self) -> Result<Option<Entry>, volumed_meta::StoreError> {
        self.node().store.get(&volume_key(self.id)).await
    }

    /// Changes the record by compare-and-swap.
    pub(super) async fn change_record(
        &self,
        edit: impl Fn(&mut VolumeRecord),
    ) -> Result<VolumeRecord, AttachError> {
        loop {
            let entry = self.entry().await?;
            let entry = entry.ok_or_else(|| AttachError::NotFound(self.name.clone()))?;
            let mut record: VolumeRecord = decode(&entry)?;
            edit(&mut record);
            let same = Compare::Unchanged(entry.key.clone(), entry.modified);
            let put = Change::Put(entry.key, encode(&record));
            let changed = self.node().store.transact(vec![same], vec![put]).await?;
            if let Outcome::Committed(revision) = changed {
                self.know(record.clone(), revision);
                return Ok(record);
            }
        }
    }
}
