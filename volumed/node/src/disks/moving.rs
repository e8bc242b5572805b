//! Moves a replica of an extent to another disk while clients use it: its files durable, then its
//! record as incoming; copied by the head; then the record without the source; then the source's files.

use std::sync::Arc;

use volumed_core::DiskNumber;
use volumed_core::chunk::CHUNK_SIZE;
use volumed_core::head::{CopyProgress, HeadEvent, PlaceFailure};
use volumed_core::message::{ExtentFile, ReplicaError};
use volumed_core::placement::{Placement, Role};

use crate::disks::pace::Pace;
use crate::machine::placer::create_on;
use crate::machine::{Machine, Move};
use crate::store::placements::{self, until_told};

/// Why an extent is where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveError {
    /// The head or the extent went meanwhile, or nobody wants it moved any more.
    #[error("the extent was freed or its volume got another owner meanwhile")]
    Overtaken,
    /// The target has no room.
    #[error("no disk has room")]
    NoSpace,
    /// The replica that was to go is needed still.
    #[error("no other replica of it is well")]
    Needed,
    /// A disk failed.
    #[error("{0}")]
    Disk(ReplicaError),
    /// The store failed, or the target's files could not be made.
    #[error("the extent's new place cannot be recorded")]
    Place,
}

/// Moves a replica.
pub(crate) async fn move_extent(
    machine: &Arc<Machine>,
    file: ExtentFile,
    of: Move,
    mut pace: Pace,
) -> Result<(), MoveError> {
    if machine.is_followed(file.extent) || !machine.begin_placing(Some(of.to)) {
        return Err(MoveError::Overtaken);
    }
    let mut told = machine.follow(file.extent, of);
    let begun = begin(machine, file, of.to).await;
    let event = begun.is_ok().then_some(HeadEvent::BeginCopy(file, of.to));
    machine.placing_ended(event.into_iter().collect());
    begun?;
    loop {
        match told.recv().await {
            Some(CopyProgress::Copied(_)) if pace.goes_on(CHUNK_SIZE.into()).await => {
                machine.copy_on(file.extent);
            }
            Some(CopyProgress::Copied(_)) => {
                drop_copy(machine, file, of.to).await;
                return Err(MoveError::Overtaken);
            }
            Some(CopyProgress::Done) => return Ok(()),
            Some(CopyProgress::Failed(error)) => {
                drop_copy(machine, file, of.to).await;
                return Err(match error {
                    ReplicaError::NoSpace => MoveError::NoSpace,
                    ReplicaError::NoExtent | ReplicaError::Exhausted | ReplicaError::Corrupt => {
                        MoveError::Overtaken
                    }
                    error => MoveError::Disk(error),
                });
            }
            // The next head finds what is left of it.
            Some(CopyProgress::Dropped | CopyProgress::Stays) | None => {
                return Err(MoveError::Overtaken);
            }
        }
    }
}

async fn begin(machine: &Arc<Machine>, file: ExtentFile, to: DiskNumber) -> Result<(), MoveError> {
    let volume = machine.volume;
    create_on(machine, to, vec![file])
        .await
        .map_err(|failure| match failure {
            PlaceFailure::NoSpace => MoveError::NoSpace,
            PlaceFailure::Exhausted => MoveError::Overtaken,
            PlaceFailure::Failed => MoveError::Place,
        })?;
    let (incoming, pages) = ((to, Role::Incoming), machine.pages());
    let placed = until_told(volume, || {
        placements::edit(&pages, file, |on| {
            if on.iter().all(|(disk, _)| *disk != to) {
                on.push(incoming);
            }
        })
    });
    let noted = |placed: &Placement| placed.replicas.contains(&incoming);
    match placed.await {
        Ok(Some(placed)) if noted(&placed) => Ok(()),
        Ok(_) => {
            // On another node the next head finds that there is no record of it.
            if let Some(on) = machine.node.disks.all().get(&to) {
                on.disk.discard(volume, Some(file));
            }
            Err(MoveError::Overtaken)
        }
        Err(_) => Err(MoveError::Place),
    }
}

/// Forgets a copy that came to nothing, and waits until its files are gone. Without a head, the next
/// one finds it.
pub(crate) async fn drop_copy(machine: &Arc<Machine>, file: ExtentFile, on: DiskNumber) {
    if !machine.begin_placing(None) {
        return;
    }
    let (volume, pages) = (machine.volume, machine.pages());
    let forgotten = until_told(volume, || {
        placements::edit(&pages, file, |replicas| {
            replicas.retain(|it| *it != (on, Role::Incoming));
        })
    });
    let forgotten = forgotten.await.is_ok();
    let of = Move { from: on, to: on };
    let mut told = machine.follow(file.extent, of);
    let event = forgotten.then_some(HeadEvent::DropCopy(file, on));
    machine.placing_ended(event.into_iter().collect());
    while forgotten
        && told
            .recv()
            .await
            .is_some_and(|it| it != CopyProgress::Dropped)
    {}
}
