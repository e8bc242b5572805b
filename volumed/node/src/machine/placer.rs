//! Places and removes extents: files and directory durable, then the record; the record removed,
//! then the files (V11).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Placement, Role, choose};
use volumed_core::{ByteCount, DiskNumber, ExtentIndex, VolumeId};
use volumed_disk::DiskError;

use crate::disks::PoolDisk;
use crate::machine::Machine;
use crate::store::placements::{self, MOST_LOST, until_told};

/// All disks are this node's: there is only one yet.
const THIS_NODE: u64 = 0;

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
    let disks = machine.candidates();
    let candidate = |(on, free): &(Arc<PoolDisk>, ByteCount)| Candidate {
        disk: on.number,
        node: THIS_NODE,
        free: *free,
    };
    let candidates: Vec<_> = disks.iter().map(candidate).collect();
    let mut placed = BTreeMap::new();
    let mut by_disk: BTreeMap<DiskNumber, Vec<ExtentFile>> = BTreeMap::new();
    for &extent in extents {
        let chosen = chosen(machine, extent, &candidates).ok_or(PlaceFailure::NoSpace)?;
        for &disk in &chosen {
            by_disk
                .entry(disk)
                .or_default()
                .push(ExtentFile { extent, alloc });
        }
        let replicas = chosen.into_iter().map(|disk| (disk, Role::Full)).collect();
        placed.insert(extent, Placement { alloc, replicas });
    }
    for (on, _) in disks {
        if let Some(files) = by_disk.remove(&on.number) {
            create_files(volume, &on, files).await?;
        }
    }
    // Those that the head does without may be here, and about to join it.
    for (number, files) in by_disk {
        let on = node.disks.all().get(&number).cloned();
        if let Some(on) = on.filter(|on| !on.disk.failed())
            && create_files(volume, &on, files).await.is_err()
        {
            tracing::debug!(%volume, disk = %number, "a stale disk gets an extent's files later");
        }
    }
    let lost = machine.lost_among(placed.keys().copied());
    let add = || placements::add(&*node.store, volume, &placed, &lost);
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

/// The disks of an extent. With fewer that have room than there are replicas, those that the head does
/// without get it, too: their files are made, and filled, when they come back.
fn chosen(
    machine: &Machine,
    extent: ExtentIndex,
    candidates: &[Candidate],
) -> Option<Vec<DiskNumber>> {
    let (volume, replicas) = (machine.volume, machine.replicas);
    if let Some(chosen) = choose(volume, extent, replicas, THIS_NODE, candidates) {
        return Some(chosen);
    }
    let roomy = candidates.iter().filter(|it| it.free.0 > 0).count();
    let here = u8::try_from(roomy).ok().filter(|here| *here > 0)?;
    let mut chosen = choose(volume, extent, here, THIS_NODE, candidates)?;
    let pool = machine.node.disks.all();
    let away = machine
        .stale()
        .into_iter()
        .filter(|it| pool.contains_key(it));
    chosen.extend(away.take(usize::from(replicas - here)));
    (chosen.len() == usize::from(replicas)).then_some(chosen)
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

/// Removes the records of extents that share a page; their replicas unlink the files when the head
/// says so.
///
/// Whether a transaction whose answer was lost took place is unknown, and writing into an extent
/// without a record would lose what is written: so it stalls until the store answers (V4).
pub(crate) async fn unplace(machine: Arc<Machine>, files: Vec<ExtentFile>) {
    let (store, volume) = (&*machine.node.store, machine.volume);
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
        let removed = until_told(volume, || placements::remove(store, volume, files, &lost)).await;
        if removed.is_ok() {
            machine.forget_lost(extents.iter().copied());
        }
        // If not, the page was not changed.
        let result = removed.map_err(|_| PlaceFailure::Failed);
        ended.push(HeadEvent::Unplaced(extents, result));
    }
    machine.placing_ended(ended);
}
