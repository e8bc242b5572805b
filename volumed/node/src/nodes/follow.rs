//! What other nodes change in the store: volumes that come, go and change hands, disks that leave the pool, and
//! nodes that come and go.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use volumed_cluster::NodeNumber;
use volumed_core::{DiskNumber, VolumeId};
use volumed_meta::{Entry, Event, Revision, StoreError};

use super::others::Others;
use super::presence::{self, PRESENCE, node_of};
use crate::store::damage;
use crate::store::records::{
    DAMAGE, DISKS, DiskRecord, VOLUMES, VolumeRecord, decode, last_part, read_all,
};
use crate::volumes::Shared;

/// How long to wait before everything is read anew.
const RETRY: Duration = Duration::from_millis(500);

/// Until the volumes are gone.
pub(crate) async fn follow(shared: Weak<Shared>, others: Arc<Others>) {
    while shared.strong_count() > 0 {
        if let Err(error) = follow_once(&shared, &others).await {
            tracing::warn!(%error, "what other nodes change is not seen for a moment");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Reads everything, then follows it, until a watch ends.
async fn follow_once(weak: &Weak<Shared>, others: &Arc<Others>) -> Result<(), StoreError> {
    let Some(shared) = weak.upgrade() else {
        return Ok(());
    };
    let store = Arc::clone(&shared.node.store);
    let since = store.revision().await?;
    let mut volumes = store.watch(VOLUMES, since).await?;
    let mut disks = store.watch(DISKS, since).await?;
    let mut nodes = store.watch(PRESENCE, since).await?;
    let mut damage = store.watch(DAMAGE, since).await?;
    let present = presence::read(&*store).await?;
    others.sight_mut().saw_all(present);
    read_disks(&shared).await?;
    read_volumes(&shared).await?;
    drop(shared);
    loop {
        let event = tokio::select! {
            event = volumes.recv() => event,
            event = disks.recv() => event,
            event = nodes.recv() => event,
            event = damage.recv() => event,
        };
        let (Some(event), Some(shared)) = (event, weak.upgrade()) else {
            return Ok(());
        };
        if event.key.starts_with(PRESENCE) {
            saw(others, event);
        } else if event.key.starts_with(DISKS) {
            saw_disk(&shared, event);
        } else if event.key.starts_with(DAMAGE) {
            saw_damage(&shared, event);
        } else {
            saw_volume(&shared, event).await;
        }
    }
}

fn saw(others: &Others, event: Event) {
    let Some(node) = node_of(&event.key) else {
        return;
    };
    let presence = event.value.and_then(|value| {
        let entry = entry_of(event.key, value, event.revision);
        decode(&entry).ok()
    });
    others.sight_mut().saw(node, presence);
}

/// V10: damage on another node is made good by the head, if that is here.
fn saw_damage(shared: &Shared, event: Event) {
    let key = std::str::from_utf8(&event.key).ok();
    let mut parts = key.into_iter().flat_map(|key| key.split('/').skip(1));
    let volume = parts.next().and_then(|volume| volume.parse().ok());
    let disk = parts.next().and_then(|disk| disk.parse().ok());
    let (Some(volume), Some(disk), Some(value)) = (volume, disk.map(DiskNumber), event.value)
    else {
        return;
    };
    let away = !shared.node.disks.all().contains_key(&disk);
    if let Some(machine) = shared.node.served(volume).filter(|_| away)
        && let Ok(found) = damage::read(&entry_of(event.key, value, event.revision))
    {
        machine.repair(&found);
    }
}

fn saw_disk(shared: &Shared, event: Event) {
    if let Some(value) = event.value {
        note_disk(shared, &entry_of(event.key, value, event.revision));
    }
}

fn note_disk(shared: &Shared, entry: &Entry) {
    let Ok(record) = decode::<DiskRecord>(entry) else {
        return;
    };
    let own = shared.node.own().map(|own| own.0);
    if let (Some(node), Some(others)) = (record.node, &shared.node.others)
        && record.node != own
    {
        let number = DiskNumber(record.number);
        let id = last_part(&entry.key).parse().ok();
        others.sight_mut().is_at(number, id, NodeNumber(node));
        shared.node.disks.know_removed(number, record.removed);
    }
}

async fn read_disks(shared: &Shared) -> Result<(), StoreError> {
    for entry in read_all(&*shared.node.store, DISKS).await? {
        note_disk(shared, &entry);
    }
    Ok(())
}

async fn read_volumes(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let mut there = BTreeSet::new();
    for entry in read_all(&*shared.node.store, VOLUMES).await? {
        there.extend(volume_of(&entry.key));
        changed(shared, &entry).await;
    }
    for volume in shared.all() {
        if !there.contains(&volume.id) {
            // It may have been made since.
            let record = volume.recorded().await?;
            if !record {
                shared.forget(&volume).await;
            }
        }
    }
    Ok(())
}

async fn saw_volume(shared: &Arc<Shared>, event: Event) {
    if let Some(value) = event.value {
        return changed(shared, &entry_of(event.key, value, event.revision)).await;
    }
    let volume = volume_of(&event.key).and_then(|id| shared.with_id(id));
    if let Some(volume) = volume {
        let shared = Arc::clone(shared);
        tokio::spawn(async move { shared.forget(&volume).await });
    }
}

/// A volume was made or changed.
async fn changed(shared: &Arc<Shared>, entry: &Entry) {
    let Some(id) = volume_of(&entry.key) else {
        return;
    };
    if let Some(volume) = shared.with_id(id) {
        match decode::<VolumeRecord>(entry) {
            Ok(record) => volume.heard(&record, entry.modified),
            Err(error) => tracing::error!(%error, "a volume's record is not understood"),
        }
    } else if let Err(error) = shared.load(id).await {
        tracing::warn!(volume = %id, %error, "a volume of another node cannot be loaded yet");
    }
}

fn volume_of(key: &[u8]) -> Option<VolumeId> {
    last_part(key).parse().ok()
}

fn entry_of(key: Vec<u8>, value: Vec<u8>, revision: Revision) -> Entry {
    Entry {
        key,
        value,
        created: revision,
        modified: revision,
    }
}
