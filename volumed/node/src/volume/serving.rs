//! Which node serves a volume: in a cluster one at a time (V1).
//!
//! The record `heads/<volume>` is put under the node's lease before the node's head begins, and nobody else's
//! begins while it is there. It goes when the head has ended, or when the lease of its node has: by then that head
//! answers nothing more.

use std::time::Duration;

use volumed_cluster::NodeNumber;
use volumed_core::{ByteCount, Epoch};
use volumed_meta::{Change, Compare, Entry, LeaseId, Outcome, Revision};

use crate::error::AttachError;
use crate::store::records::{
    HeadRecord, VERSION, VolumeRecord, decode, encode, head_key, volume_key,
};
use crate::store::state::as_it_was;
use crate::volume::{Arc, Volume};

/// How often it is looked whether another node's head has ended.
const LOOK: Duration = Duration::from_millis(50);

/// How long that is waited for: a lease, and what a busy node takes to notice.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a head that another node wants to take over may take to answer what is under way.
const GRACE: Duration = Duration::from_secs(2);

/// What a node may do to have a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Take it from whoever has it.
    TakeOver,
    /// The same, unless another owner has it by now.
    Again,
    /// Take it from no other node.
    UnlessServed,
}

impl Volume {
    /// Raises the epoch under this node's name; once it is back, no head of another node serves.
    pub(super) async fn claim(
        &self,
        claim: Claim,
        edit: impl Fn(&mut VolumeRecord),
    ) -> Result<VolumeRecord, AttachError> {
        let Some(others) = &self.node().others else {
            let raise = |record: &mut VolumeRecord| {
                record.epoch += 1;
                edit(record);
            };
            return self.change_record(raise).await;
        };
        let own = others.own.number;
        let lease = others.lease.id().filter(|_| others.lease.stands());
        let lease = lease.ok_or_else(|| AttachError::NoLease(self.name.clone()))?;
        loop {
            let entry = self.entry().await?;
            let entry = entry.ok_or_else(|| AttachError::NotFound(self.name.clone()))?;
            let mut record: VolumeRecord = decode(&entry)?;
            let head = self.head_entry().await?;
            let elsewhere = elsewhere(head.as_ref(), own)?;
            if let (Some(node), Claim::UnlessServed) = (elsewhere, claim) {
                self.know(record, entry.modified);
                return Err(AttachError::ServedElsewhere(self.name.clone(), node));
            }
            let owner = record.owner.clone();
            record.epoch += 1;
            record.node = Some(own.0);
            edit(&mut record);
            if claim == Claim::Again && record.owner != owner {
                return Err(AttachError::Overtaken(self.name.clone()));
            }
            let same = vec![
                Compare::Unchanged(entry.key.clone(), entry.modified),
                as_it_was(&head_key(self.id), head.as_ref()),
            ];
            let mut changes = vec![Change::Put(entry.key, encode(&record))];
            if elsewhere.is_none() {
                changes.push(self.head_change(own, Epoch(record.epoch), lease));
            }
            let changed = self.node().store.transact(same, changes).await?;
            if let Outcome::Committed(revision) = changed {
                self.know(record.clone(), revision);
                let (record, put) = match elsewhere {
                    Some(_) => self.take_over((record, revision), (own, lease)).await?,
                    None => (record, revision),
                };
                self.machine
                    .serves_under(Compare::Unchanged(head_key(self.id), put));
                return Ok(record);
            }
        }
    }

    /// Waits until the head of another node has ended, which the raised epoch asks it to; answers the volume's record
    /// as that head left it, and when the record of this node's head was put.
    async fn take_over(
        &self,
        (mut record, mut revision): (VolumeRecord, Revision),
        (own, lease): (NodeNumber, LeaseId),
    ) -> Result<(VolumeRecord, Revision), AttachError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let head = self.head_entry().await?;
            match elsewhere(head.as_ref(), own)? {
                Some(node) if tokio::time::Instant::now() > deadline => {
                    return Err(AttachError::ServedElsewhere(self.name.clone(), node));
                }
                Some(_) => tokio::time::sleep(LOOK).await,
                None => {
                    let same = vec![
                        Compare::Unchanged(volume_key(self.id), revision),
                        as_it_was(&head_key(self.id), head.as_ref()),
                    ];
                    let change = self.head_change(own, Epoch(record.epoch), lease);
                    let store = &self.node().store;
                    let put = store.transact(same, vec![change]).await?;
                    if let Outcome::Committed(put) = put {
                        return Ok((record, put));
                    }
                    (record, revision) = self.still_claimed(record.epoch).await?;
                }
            }
        }
    }

    /// The record as it is now, unless somebody else has raised the epoch. Until the head before has ended, it notes
    /// there which replicas are in sync, and anybody may change what is asked of the volume.
    async fn still_claimed(&self, epoch: u64) -> Result<(VolumeRecord, Revision), AttachError> {
        let entry = self.entry().await?;
        let entry = entry.ok_or_else(|| AttachError::NotFound(self.name.clone()))?;
        let now: VolumeRecord = decode(&entry)?;
        if now.epoch == epoch {
            self.know(now.clone(), entry.modified);
            return Ok((now, entry.modified));
        }
        let node = NodeNumber(now.node.unwrap_or_default());
        Err(AttachError::ServedElsewhere(self.name.clone(), node))
    }

    /// Whoever raised the epoch before there was a head to give up waits for it.
    pub(super) fn refuse_if_wanted_elsewhere(
        &self,
        begun: &VolumeRecord,
    ) -> Result<(), AttachError> {
        let newest = &self.record.lock().0;
        let node = newest.node.filter(|_| newest.epoch > begun.epoch);
        match node
            .map(NodeNumber)
            .filter(|node| Some(*node) != self.node().own())
        {
            Some(node) => Err(AttachError::ServedElsewhere(self.name.clone(), node)),
            None => Ok(()),
        }
    }

    fn head_change(&self, node: NodeNumber, epoch: Epoch, lease: LeaseId) -> Change {
        let head = HeadRecord {
            version: VERSION,
            node: node.0,
            epoch: epoch.0,
        };
        Change::PutLeased(head_key(self.id), encode(&head), lease)
    }

    async fn head_entry(&self) -> Result<Option<Entry>, volumed_meta::StoreError> {
        self.node().store.get(&head_key(self.id)).await
    }

    /// The other node that serves the volume, if one does.
    pub(super) async fn served_elsewhere(
        &self,
    ) -> Result<Option<NodeNumber>, volumed_meta::StoreError> {
        let Some(own) = self.node().own() else {
            return Ok(None);
        };
        let head = self.head_entry().await?;
        // One that is not understood is a newer program's.
        Ok(elsewhere(head.as_ref(), own).unwrap_or(Some(NodeNumber(0))))
    }

    pub(super) async fn refuse_if_served_elsewhere(&self) -> Result<(), AttachError> {
        match self.served_elsewhere().await? {
            Some(node) => {
                // Whoever is refused asks next who serves it, and this node may not have heard yet.
                self.refresh().await?;
                Err(AttachError::ServedElsewhere(self.name.clone(), node))
            }
            None => Ok(()),
        }
    }

    /// This node's head of the epoch has ended.
    pub(crate) async fn leave(&self, epoch: Epoch) {
        let Some(own) = self.node().own() else { return };
        let left = async {
            let Some(entry) = self.head_entry().await? else {
                return Ok(());
            };
            let head: Option<HeadRecord> = decode(&entry).ok();
            if head.is_some_and(|head| (head.node, head.epoch) == (own.0, epoch.0)) {
                let same = Compare::Unchanged(entry.key.clone(), entry.modified);
                let change = Change::Delete(entry.key);
                self.node().store.transact(vec![same], vec![change]).await?;
            }
            Ok::<(), volumed_meta::StoreError>(())
        };
        // It is in nobody's way: another node that attaches the volume has this one asked again.
        if let Err(error) = left.await {
            tracing::warn!(volume = %self.name, %error, "the store was not told that this node does not serve the volume any more");
        }
    }

    /// The node that serves the volume, as far as is known here.
    pub(super) fn serving_node(&self, record: &VolumeRecord) -> Option<NodeNumber> {
        let others = self.node().others.as_ref()?;
        if self.machine.has_head() {
            return Some(others.own.number);
        }
        let node = record.node.filter(|_| record.owner.is_some());
        let node = node.map(NodeNumber)?;
        others.sight().presence(node).map(|_| node)
    }

    /// The record was read, or written, under this revision.
    pub(super) fn know(&self, record: VolumeRecord, revision: Revision) -> bool {
        let mut known = self.record.lock();
        let newer = revision > known.1;
        if newer {
            *known = (record, revision);
        }
        newer
    }

    /// The store has another record now: somebody changed the volume, or took it over.
    pub(crate) fn heard(self: &Arc<Self>, record: &VolumeRecord, revision: Revision) {
        if !self.know(record.clone(), revision) {
            return;
        }
        let Some(epoch) = self.machine.head_epoch() else {
            return;
        };
        if epoch < Epoch(record.epoch) && record.node.map(NodeNumber) != self.node().own() {
            let volume = Arc::clone(self);
            self.node()
                .runtime
                .spawn(async move { volume.give_up().await });
            return;
        }
        let (size, quota) = (ByteCount(record.size), record.quota.map(ByteCount));
        self.machine.set_replicas(record.replicas);
        self.machine.grow(size);
        self.machine.limit(quota);
        let volume = Arc::clone(self);
        self.node().runtime.spawn(async move {
            if let Some(session) = &volume.seat.lock().await.session {
                session.grow(size);
            }
        });
    }

    /// Another node waits for the volume: what is under way is finished, if that does not take long.
    async fn give_up(self: Arc<Self>) {
        tracing::info!(volume = %self.name, "another node takes the volume over");
        let epoch = self.machine.head_epoch();
        let finish = async {
            let mut seat = self.seat.lock().await;
            let newest = self.record.lock().0.node.map(NodeNumber);
            if newest != self.node().own() {
                self.end(&mut seat).await;
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            self.abandon().await;
        }
        if let Some(epoch) = epoch
            && self.machine.head_epoch() != Some(epoch)
        {
            self.leave(epoch).await;
        }
    }

    /// V1: serves nobody from now on, whatever is under way; then lets connections go.
    pub(crate) async fn abandon(&self) {
        self.machine.abandon();
        let mut seat = self.seat.lock().await;
        if !self.machine.has_head()
            && let Some(session) = seat.session.take()
        {
            session.end().await;
        }
    }

    /// Whether the store has it.
    pub(crate) async fn recorded(&self) -> Result<bool, volumed_meta::StoreError> {
        Ok(self.entry().await?.is_some())
    }

    /// The volume was deleted on another node.
    pub(crate) async fn vanish(&self) {
        self.machine.abandon();
        let mut seat = self.seat.lock().await;
        if std::mem::replace(&mut seat.deleted, true) {
            return;
        }
        self.end(&mut seat).await;
        self.machine.quiet(true).await;
        self.release();
    }
}

/// The other node that serves a volume, whose head's record this is.
fn elsewhere(
    head: Option<&Entry>,
    own: NodeNumber,
) -> Result<Option<NodeNumber>, crate::error::RecordError> {
    let head: Option<HeadRecord> = head.map(decode).transpose()?;
    let node = head.map(|head| NodeNumber(head.node));
    Ok(node.filter(|node| *node != own))
}
