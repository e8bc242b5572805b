//! Places and removes extents: files and directory durable, then the record; the record removed,
//! then the files (V11).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Placement, Role, choose};
use volumed_core::{ByteCount, DiskNumber, ExtentIndex, VolumeId};
use volumed_disk::DiskError;

use super::disks::PoolDisk;
use super::machine::Machine;
use super::placements::{self, PlacementsError};

/// All disks are this node's: there is only one yet.
const THIS_NODE: u64 = 0;

/// How long to wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

pub(super) async fn place(machine: Arc<Machine>, extents: Vec<ExtentIndex>) {
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
        let chosen = choose(volume, extent, machine.replicas, THIS_NODE, &candidates)
            .ok_or(PlaceFailure::NoSpace)?;
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
    placements::add(&*node.store, volume, &placed)
        .await
        .map_err(|error| {
            tracing::error!(%volume, %error, "an extent cannot be placed");
            PlaceFailure::Failed
        })?;
    Ok(placed)
}

pub(super) async fn create_files(
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
pub(super) async fn unplace(machine: Arc<Machine>, files: Vec<ExtentFile>) {
    let (node, volume) = (&machine.node, machine.volume);
    let result = loop {
        match placements::remove(&*node.store, volume, &files).await {
            Ok(()) => break Ok(()),
            Err(PlacementsError::Store(error)) => {
                tracing::warn!(%volume, %error, "extents' records cannot be removed yet");
                tokio::time::sleep(RETRY).await;
            }
            // The page was not changed.
            Err(error) => {
                tracing::error!(%volume, %error, "extents cannot be removed");
                break Err(PlaceFailure::Failed);
            }
        }
    };
    let extents = files.iter().map(|file| file.extent).collect();
    machine.placing_ended(vec![HeadEvent::Unplaced(extents, result)]);
}
