//! Verifying a volume: what its replicas hold is compared, extent by extent, beside whatever clients do.
//!
//! What is asked for is a record in the store, since the node that serves the volume has to do it; how far that is
//! goes into the same record, so another node goes on when the volume moves there. At its end it becomes the
//! record of the last one.

mod work;

use std::sync::Arc;

use tokio::sync::Notify;
use volumed_core::{BLOCK_SIZE, ByteCount, DiskId, DiskNumber, ExtentIndex, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, StoreError};

use crate::clock::now;
use crate::error::RecordError;
use crate::name::VolumeName;
use crate::store::records::{
    DifferenceRecord, VERSION, VerificationRecord, decode, encode, verified_key, verifying_key,
    volume_key,
};
use crate::volumes::Volumes;

/// The verifications that this node does.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    /// One was asked for here.
    pub asked: Notify,
}

/// What a verification does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Read the blocks, too, and compare them with their checksums.
    pub deep: bool,
    /// Have replicas that differ hold what the nearest to the head holds and is not damaged.
    pub repair: bool,
}

/// A verification that is under way, or the last one of a volume. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What it does.
    pub scope: Scope,
    /// When it was asked for.
    pub begun: u64,
    /// When it came to its end, if it did.
    pub ended: Option<u64>,
    /// How many extents the volume has.
    pub total: u64,
    /// How many of them were looked at.
    pub compared: u64,
    /// Those with fewer than two replicas in sync: there is nothing to compare.
    pub alone: u64,
    /// Regions that could not be compared, since a replica did not answer.
    pub unknown: u64,
    /// Blocks of 4 KiB that differ.
    pub differing: u64,
    /// How many of these were made equal.
    pub repaired: u64,
    /// Where they differ, by offset; not more than [`MOST`].
    pub differences: Vec<VerifiedDifference>,
}

/// Blocks side by side that some replicas hold in another way than the one nearest to the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDifference {
    /// In which extent of the volume.
    pub extent: ExtentIndex,
    /// The first byte, from the volume's start.
    pub offset: u64,
    /// Bytes, whole blocks of 4 KiB.
    pub length: u64,
    /// The disks that hold something else, as far as they are known here.
    pub disks: Vec<DiskId>,
    /// What they hold does not match its checksums.
    pub damaged: bool,
}

/// So many differences are listed; the others are counted.
pub(crate) const MOST: usize = 256;

/// Why a volume is not verified, or nobody knows how far that is.
#[derive(Debug, thiserror::Error)]
pub enum VerifyVolumeError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// None was asked for yet.
    #[error("the volume {0} was never verified: volumed volume verify {0}")]
    Never(VolumeName),
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Volumes {
    /// Has the replicas of a volume compared, by the node that serves it; one that is under way with the same scope
    /// goes on.
    pub async fn verify(
        &self,
        name: &VolumeName,
        scope: Scope,
    ) -> Result<Verification, VerifyVolumeError> {
        let volume = self.volume_to_verify(name).await?;
        let store = &*self.shared.node.store;
        if let Some((_, record)) = under_way(store, volume).await?
            && record.scope() == scope
        {
            return Ok(self.view_of_verification(&record));
        }
        let record = VerificationRecord::new(scope);
        let put = Change::Put(verifying_key(volume), encode(&record));
        // Of a volume that was deleted nothing is kept.
        let exists = Compare::Present(volume_key(volume));
        store.transact(vec![exists], vec![put]).await?;
        self.shared.verifications.asked.notify_one();
        Ok(self.view_of_verification(&record))
    }

    /// How far the verification of a volume is, or what the last one found.
    pub async fn verification(&self, name: &VolumeName) -> Result<Verification, VerifyVolumeError> {
        let volume = self.volume_to_verify(name).await?;
        let store = &*self.shared.node.store;
        // In this order: one that ends moves from the first key to the second at once.
        if let Some((_, record)) = under_way(store, volume).await? {
            return Ok(self.view_of_verification(&record));
        }
        let ended = store.get(&verified_key(volume)).await?;
        let ended = ended.ok_or_else(|| VerifyVolumeError::Never(name.clone()))?;
        Ok(self.view_of_verification(&decode(&ended)?))
    }

    /// Ends the verification that is under way, if one is; what it found is forgotten.
    pub async fn cancel_verification(&self, name: &VolumeName) -> Result<(), VerifyVolumeError> {
        let volume = self.volume_to_verify(name).await?;
        let forget = Change::Delete(verifying_key(volume));
        let store = &self.shared.node.store;
        store.transact(Vec::new(), vec![forget]).await?;
        Ok(())
    }

    /// Verifies what is asked for in a task that ends with the volumes.
    pub fn verify_in_background(&self, rate: ByteCount) {
        tokio::spawn(work::work(Arc::downgrade(&self.shared), rate));
    }

    async fn volume_to_verify(&self, name: &VolumeName) -> Result<VolumeId, VerifyVolumeError> {
        let found = self.find(name).await?;
        let volume = found.ok_or_else(|| VerifyVolumeError::NotFound(name.clone()))?;
        Ok(volume.id)
    }

    fn view_of_verification(&self, record: &VerificationRecord) -> Verification {
        let id = |number: u16| self.shared.node.disk_id(DiskNumber(number));
        let differences = record.differences.iter().map(|it| VerifiedDifference {
            extent: ExtentIndex(it.extent),
            offset: ExtentIndex(it.extent).start() + u64::from(it.first) * BLOCK_SIZE,
            length: u64::from(it.count) * BLOCK_SIZE,
            disks: it.disks.iter().copied().filter_map(id).collect(),
            damaged: it.damaged,
        });
        Verification {
            scope: record.scope(),
            begun: record.begun,
            ended: record.ended,
            total: record.total,
            compared: record.compared,
            alone: record.alone,
            unknown: record.unknown,
            differing: record.differing,
            repaired: record.repaired,
            differences: differences.collect(),
        }
    }
}

/// The verification that is under way, and the entry that it has in the store.
async fn under_way(
    store: &dyn MetaStore,
    volume: VolumeId,
) -> Result<Option<(Entry, VerificationRecord)>, VerifyVolumeError> {
    let Some(entry) = store.get(&verifying_key(volume)).await? else {
        return Ok(None);
    };
    let record = decode(&entry)?;
    Ok(Some((entry, record)))
}

impl VerificationRecord {
    fn new(scope: Scope) -> Self {
        Self {
            version: VERSION,
            deep: scope.deep,
            repair: scope.repair,
            begun: now(),
            ended: None,
            next: 0,
            total: 0,
            compared: 0,
            alone: 0,
            unknown: 0,
            differing: 0,
            repaired: 0,
            differences: Vec::new(),
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            deep: self.deep,
            repair: self.repair,
        }
    }

    /// As many as are listed.
    fn list(&mut self, differences: impl Iterator<Item = DifferenceRecord>) {
        let room = MOST.saturating_sub(self.differences.len());
        self.differences.extend(differences.take(room));
    }
}
