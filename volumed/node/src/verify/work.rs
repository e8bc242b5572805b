//! The task that verifies: volumes that this node serves, and those of which it is the first holder while nobody
//! serves them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use volumed_core::head::{Comparison, Depth, Difference};
use volumed_core::{ByteCount, ExtentIndex, REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex};
use volumed_meta::{Change, Compare, Outcome, Revision, StoreError};

use crate::clock::now;
use crate::disks::pace::{at_rate, leave_to_clients};
use crate::disks::rebuild::is_first;
use crate::store::placements;
use crate::store::records::{
    DifferenceRecord, VERIFYING, VerificationRecord, decode, encode, last_part, read_all,
    verified_key, verifying_key,
};
use crate::volume::Volume;
use crate::volumes::Shared;

/// How often it is looked whether another node was asked, or goes on no more.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is noted how far a verification is.
const NOTE: Duration = Duration::from_secs(1);

/// A busy disk is left to its clients for so long before each region that is read.
const YIELD: Duration = Duration::from_millis(50);

/// How often a region is tried of which a replica does not answer: it is recorded stale meanwhile, or comes back.
const TRIES: u32 = 3;

/// Until the volumes are gone.
pub(super) async fn work(shared: Weak<Shared>, rate: ByteCount) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.is_stopping()
            && let Err(error) = look(&shared, rate).await
        {
            tracing::warn!(%error, "what is to be verified cannot be read");
        }
        let _ = tokio::time::timeout(LOOK, shared.verifications.asked.notified()).await;
    }
}

/// Does what is asked for and is this node's.
async fn look(shared: &Arc<Shared>, rate: ByteCount) -> Result<(), StoreError> {
    for entry in read_all(&*shared.node.store, VERIFYING).await? {
        let volume = last_part(&entry.key).parse().ok();
        let Some(volume) = volume.and_then(|id| shared.with_id(id)) else {
            continue;
        };
        let record = match decode(&entry) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "a verification is not understood");
                continue;
            }
        };
        let serves = volume.machine.has_head();
        if !serves && !begins_to_serve(shared, &volume).await {
            continue;
        }
        let noted = entry.modified;
        let verifying = Verifying {
            shared,
            volume: &volume,
            record,
            noted,
            rate,
        };
        verifying.go_on().await;
        if !serves {
            volume.rest().await;
        }
    }
    Ok(())
}

/// Serves a volume that nobody serves, if that is this node's to do.
async fn begins_to_serve(shared: &Shared, volume: &Arc<Volume>) -> bool {
    let placements = placements::load(&*shared.node.store, volume.id).await;
    let nothing = placements.as_ref().is_ok_and(|it| it.placed.is_empty());
    placements.is_ok_and(|it| nothing || is_first(shared, &it)) && volume.serve().await.is_ok()
}

/// A verification of a volume that is served here.
struct Verifying<'s> {
    shared: &'s Arc<Shared>,
    volume: &'s Arc<Volume>,
    record: VerificationRecord,
    /// The revision under which the store has the record: whoever changed it since has another one in mind.
    noted: Revision,
    rate: ByteCount,
}

impl Verifying<'_> {
    /// Until it is done, the volume is served elsewhere, or nobody wants it any more.
    async fn go_on(mut self) {
        let mut last = Instant::now();
        let machine = &self.volume.machine;
        self.record.total = machine.placed_count();
        while let Some(extent) = machine.next_placed(ExtentIndex(self.record.next)) {
            if self.shared.is_stopping() || !self.extent(extent).await {
                return;
            }
            self.record.next = extent.0 + 1;
            self.record.compared += 1;
            self.record.total = self.record.total.max(self.record.compared);
            if last.elapsed() >= NOTE {
                if !self.note().await {
                    return;
                }
                last = Instant::now();
            }
        }
        if machine.has_head() {
            self.end().await;
        }
    }

    /// Compares an extent; false if this node does not serve the volume any more.
    async fn extent(&mut self, extent: ExtentIndex) -> bool {
        for region in 0..REGIONS_PER_EXTENT {
            let region = RegionIndex(extent.0 * REGIONS_PER_EXTENT + region);
            let begun = Instant::now();
            match self.region(region).await {
                None => return false,
                Some(Comparison::Alone) => {
                    self.record.alone += 1;
                    return true;
                }
                Some(Comparison::Unknown) => self.record.unknown += 1,
                Some(Comparison::Differences(found)) => self.found(extent, region, found).await,
            }
            if self.record.deep {
                self.pause(begun).await;
            }
        }
        true
    }

    /// Compares a region, more than once if a replica is missed.
    async fn region(&self, region: RegionIndex) -> Option<Comparison> {
        let depth = if self.record.deep {
            Depth::Bytes
        } else {
            Depth::Sums
        };
        let mut found = self.volume.machine.compare(region, depth).await?;
        for _ in 1..TRIES {
            if found != Comparison::Unknown {
                break;
            }
            tokio::time::sleep(LOOK).await;
            found = self.volume.machine.compare(region, depth).await?;
        }
        Some(found)
    }

    /// Counts what differs, and makes it equal if that is wanted.
    async fn found(&mut self, extent: ExtentIndex, region: RegionIndex, found: Vec<Difference>) {
        if found.is_empty() {
            return;
        }
        let blocks = count(&found);
        tracing::error!(volume = %self.volume.name, %extent, blocks, "replicas differ");
        self.record.differing += blocks;
        let of = |it: Difference| DifferenceRecord {
            extent: extent.0,
            first: it.blocks.start,
            count: it.blocks.len() as u32,
            disks: it.on.iter().map(|disk| disk.0).collect(),
            damaged: it.damaged,
        };
        self.record.list(found.into_iter().map(of));
        if self.record.repair {
            self.volume.machine.make_equal(region);
            if let Some(Comparison::Differences(left)) = self.region(region).await {
                self.record.repaired += blocks.saturating_sub(count(&left));
            }
        }
    }

    /// Reads no faster than it may.
    async fn pause(&self, begun: Instant) {
        let pause = at_rate(REGION_SIZE, self.rate).saturating_sub(begun.elapsed());
        tokio::time::sleep(pause).await;
        let disks: Vec<_> = self.shared.node.disks.all().keys().copied().collect();
        for disk in disks {
            leave_to_clients(self.shared, disk, YIELD).await;
        }
    }

    /// Notes how far it is; false if it is not wanted any more.
    async fn note(&mut self) -> bool {
        let key = verifying_key(self.volume.id);
        let put = Change::Put(key, encode(&self.record));
        self.change(vec![put]).await
    }

    async fn end(mut self) {
        self.record.ended = Some(now());
        let changes = vec![
            Change::Delete(verifying_key(self.volume.id)),
            Change::Put(verified_key(self.volume.id), encode(&self.record)),
        ];
        self.change(changes).await;
    }

    /// Unless the store does not answer, which the next look makes good.
    async fn change(&mut self, changes: Vec<Change>) -> bool {
        let same = Compare::Unchanged(verifying_key(self.volume.id), self.noted);
        let store = &self.shared.node.store;
        match store.transact(vec![same], changes).await {
            Ok(Outcome::Committed(revision)) => {
                self.noted = revision;
                true
            }
            Ok(Outcome::Refused) => false,
            Err(error) => {
                tracing::warn!(%error, "how far a verification is cannot be noted");
                false
            }
        }
    }
}

fn count(differences: &[Difference]) -> u64 {
    let blocks = differences.iter().map(|it| it.blocks.len() as u64);
    blocks.sum()
}
