//! Places and removes extents: files and directory durable, then the record; the record removed,
//! then the files (V11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Placement, Role, choose};
use volumed_core::{DiskNumber, ExtentIndex, VolumeId};
use volumed_disk::DiskError;

use crate::disks::PoolDisk;
use crate::machine::Machine;
use crate::store::placements::{self, MOST_LOST, until_told};

/// What this node is called where there is no cluster.
const THIS_NODE: u64 = 0;

/// How often a disk may turn out not to be had before the extents are not placed.
const ATTEMPTS: usize = 4;

pub(crate) async fn place(machine: Arc<Machine>, extents: Vec<ExtentIndex>) {
    let events = match try_place(&machine, &extents).await {
        Ok(placed) => placed
            .into_iter()
            .map(|(extent, placement)| HeadEvent::Placed(extent, placement))
            .collect(),
        Err(failure) => extents
            .iter()
            .map(|&extent| HeadEvent::PlaceFailed(extent, failure))
            .collect(),
    };
    machine.placing_ended(events);
}

async fn try_place(
    machine: &Arc<Machine>,
    extents: &[ExtentIndex],
) -> Result<BTreeMap<ExtentIndex, Placement>, PlaceFailure> {
    let (node, volume) = (&machine.node, machine.volume);
    // Read before any file is made: newer than every extent that was placed before.
    let alloc = node.now().await.map_err(|error| {
        tracing::error!(%volume, %error, "an extent cannot be placed");
        PlaceFailure::Failed
    })?;
    let chosen = choose_disks(machine, extents).await?;
    let mut placed = BTreeMap::new();
    let mut by_disk: BTreeMap<DiskNumber, Vec<ExtentFile>> = BTreeMap::new();
    for (extent, disks) in chosen {
        for &disk in &disks {
            let file = ExtentFile { extent, alloc };
            by_disk.entry(disk).or_default().push(file);
        }
        let replicas = disks.into_iter().map(|disk| (disk, Role::Full)).collect();
        placed.insert(extent, Placement { alloc, replicas });
    }
    for (disk, files) in by_disk {
        let created = create_on(machine, disk, files).await;
        // The head does without the others: they get the files before they join.
        if machine.has_disk(disk) {
            created?;
        }
    }
    let lost = machine.lost_among(placed.keys().copied());
    let pages = machine.pages();
    let add = || placements::add(&pages, &placed, &lost);
    // V4: what is to be done about a lost extent depends on whether it is placed anew.
    let added = if lost.is_empty() {
        add().await
    } else {
        until_told(volume, add).await
    };
    added.map_err(|error| {
        tracing::error!(%volume, %error, "an extent cannot be placed");
        PlaceFailure::Failed
    })?;
    Ok(placed)
}

/// The disks of each extent. Those of other nodes join the head before they get their first one.
async fn choose_disks(
    machine: &Arc<Machine>,
    extents: &[ExtentIndex],
) -> Result<Vec<(ExtentIndex, Vec<DiskNumber>)>, PlaceFailure> {
    let mut candidates = machine.candidates();
    for _ in 0..ATTEMPTS {
        let of_extent = |&extent: &ExtentIndex| {
            let chosen = chosen(machine, extent, &candidates);
            chosen.map(|disks| (extent, disks))
        };
        let chosen: Option<Vec<_>> = extents.iter().map(of_extent).collect();
        let chosen = chosen.ok_or(PlaceFailure::NoSpace)?;
        let disks: BTreeSet<_> = chosen
            .iter()
            .flat_map(|(_, disks)| disks)
            .copied()
            .collect();
        let usable: Vec<_> = candidates.iter().map(|it| it.disk).collect();
        let mut absent = BTreeSet::new();
        for disk in disks.into_iter().filter(|disk| usable.contains(disk)) {
            if !machine.joined(disk).await {
                absent.insert(disk);
            }
        }
        if absent.is_empty() {
            return Ok(chosen);
        }
        candidates.retain(|it| !absent.contains(&it.disk));
    }
    Err(PlaceFailure::Failed)
}

/// The disks of an extent. With fewer that have room than there are replicas, those that the head does
/// without get it, too: their files are made, and filled, when they come back. Where a node was removed, the pool
/// may have fewer disks than there are replicas: all get it, and another one once it is there (`disks/rebuild.rs`).
fn chosen(
    machine: &Machine,
    extent: ExtentIndex,
    candidates: &[Candidate],
) -> Option<Vec<DiskNumber>> {
    let (volume, replicas) = (machine.volume, machine.replicas());
    let own = machine.node.own().map_or(THIS_NODE, |own| own.0.into());
    if let Some(chosen) = choose(volume, extent, replicas, own, candidates) {
        return Some(chosen);
    }
    let roomy = candidates.iter().filter(|it| it.free.0 > 0).count();
    let here = u8::try_from(roomy).ok().filter(|here| *here > 0)?;
    let mut chosen = choose(volume, extent, here, own, candidates)?;
    let away = machine.absent().into_iter();
    let away: Vec<_> = away.filter(|disk| !chosen.contains(disk)).collect();
    chosen.extend(away.into_iter().take(usize::from(replicas - here)));
    let wanted = usize::from(replicas).min(machine.node.disks_of_pool());
    (chosen.len() == wanted).then_some(chosen)
}

/// Makes files on a disk, of this node or another.
pub(crate) async fn create_on(
    machine: &Arc<Machine>,
    disk: DiskNumber,
    files: Vec<ExtentFile>,
) -> Result<(), PlaceFailure> {
    let (node, volume) = (&machine.node, machine.volume);
    if let Some(on) = node.disks.all().get(&disk).cloned() {
        if on.disk.failed() {
            return Err(PlaceFailure::Failed);
        }
        return create_files(volume, &on, files).await;
    }
    let (Some(others), Some(epoch)) = (&node.others, machine.head_epoch()) else {
        return Err(PlaceFailure::Failed);
    };
    others.create((volume, epoch), disk, files, false).await
}

pub(crate) async fn create_files(
    volume: VolumeId,
    on: &PoolDisk,
    files: Vec<ExtentFile>,
) -> Result<(), PlaceFailure> {
    let (tell, told) = oneshot::channel();
    let disk = Arc::clone(&on.disk);
    on.pool.run(move || {
        let _ = tell.send(disk.create_extents(volume, &files));
    });
    match told.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(DiskError::Io { source, .. }))
            if source.kind() == std::io::ErrorKind::StorageFull =>
        {
            Err(PlaceFailure::NoSpace)
        }
        Ok(Err(DiskError::Io { source, .. })) if volumed_disk::is_exhausted(&source) => {
            Err(PlaceFailure::Exhausted)
        }
        Ok(Err(error)) => {
            tracing::error!(%volume, %error, "an extent cannot be placed");
            Err(PlaceFailure::Failed)
        }
        Err(_) => Err(PlaceFailure::Failed),
    }
}

/// Makes the files of extents that are not there, on a stale disk.
pub(crate) async fn create_missing(
    volume: VolumeId,
    on: &PoolDisk,
    files: BTreeSet<ExtentFile>,
) -> Result<(), PlaceFailure> {
    let disk = Arc::clone(&on.disk);
    let made = tokio::task::spawn_blocking(move || disk.create_missing(volume, &files));
    match made.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(%volume, disk = %on.number, %error, "a stale disk cannot be resynced yet");
            Err(PlaceFailure::Failed)
        }
        Err(_) => Err(PlaceFailure::Failed),
    }
}

/// Removes the records of extents that share a page; their replicas unlink the files when the head
/// says so.
///
/// Whether a transaction whose answer was lost took place is unknown, and writing into an extent
/// without a record would lose what is written: so it stalls until the store answers (V4).
pub(crate) async fn unplace(machine: Arc<Machine>, files: Vec<ExtentFile>) {
    let (pages, volume) = (machine.pages(), machine.volume);
    let extents = |files: &[ExtentFile]| files.iter().map(|file| file.extent).collect::<Vec<_>>();
    let lost = machine.lost_among(extents(&files).into_iter());
    let at_once = if lost.is_empty() {
        files.len()
    } else {
        MOST_LOST
    };
    let mut ended = Vec::new();
    for files in files.chunks(at_once.max(1)) {
        let extents = extents(files);
        let lost = extents.iter().copied().filter(|it| lost.contains(it));
        let lost = lost.collect();
        let removed = until_told(volume, || placements::remove(&pages, files, &lost)).await;
        if removed.is_ok() {
            machine.forget_lost(extents.iter().copied());
        }
        // If not, the page was not changed.
        let result = removed.map_err(|_| PlaceFailure::Failed);
        ended.push(HeadEvent::Unplaced(extents, result));
    }
    machine.placing_ended(ended);
}
