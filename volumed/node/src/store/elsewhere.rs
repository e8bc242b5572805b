//! A copy of the store of a cluster is brought back on one node: what the disks of others have seen since it was made
//! cannot be looked at, so everything that only grows goes on well beyond it.

use volumed_core::VolumeId;
use volumed_meta::{Change, MetaStore};

use crate::error::StartError;
use crate::store::records::{
    DISK_COUNTER, STORE_BASE, STORE_GENERATION, VOLUME_COUNTER, VOLUMES, VolumeRecord, decode,
    encode, last_part, parse, read_all, unreadable, volume_key,
};

/// More than anything was counted up between two copies: starts and copies, volumes, heads of a volume.
const ROOM: u64 = 1 << 20;

/// The same of revisions of the store, which an etcd makes thousands of in a second.
const ROOM_OF_ALLOCS: u64 = 1 << 34;

/// The same of disks. There are 65,535 numbers.
const ROOM_OF_DISKS: u64 = 256;

/// Raises what other nodes' disks may know to be higher: generation, base, counters, and the epoch of each volume (V1).
pub(super) async fn leave_room(store: &dyn MetaStore) -> Result<(), StartError> {
    let rooms = [
        (STORE_GENERATION, ROOM),
        (STORE_BASE, ROOM_OF_ALLOCS),
        (VOLUME_COUNTER, ROOM),
        (DISK_COUNTER, ROOM_OF_DISKS),
    ];
    for (key, room) in rooms {
        let entry = store.get(key).await?;
        let counted = entry.as_ref().map_or(Ok(0), parse::<u64>)?;
        let mut number = counted + room;
        if key == DISK_COUNTER {
            number = number.min(u16::MAX.into()).max(counted);
        }
        put(store, key.to_vec(), number.to_string().into_bytes()).await?;
    }
    for entry in read_all(store, VOLUMES).await? {
        let volume: Result<VolumeId, _> = last_part(&entry.key).parse();
        let volume = volume.map_err(|error| unreadable(&entry.key, error))?;
        let mut record: VolumeRecord = decode(&entry)?;
        record.epoch += ROOM;
        put(store, volume_key(volume), encode(&record)).await?;
    }
    Ok(())
}

/// Nobody else has the copy.
async fn put(store: &dyn MetaStore, key: Vec<u8>, value: Vec<u8>) -> Result<(), StartError> {
    store
        .transact(Vec::new(), vec![Change::Put(key, value)])
        .await?;
    Ok(())
}
