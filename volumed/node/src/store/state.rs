//! What the store says of itself, and whether a disk agrees with it: each is recognised when it is
//! another one, or an older copy of itself (V11).

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use volumed_cluster::NodeNumber;
use volumed_core::{DiskNumber, StoreGeneration, StoreId};
use volumed_disk::Disk;
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome};

use crate::disks::open::{blocking, disk_error};
use crate::error::{RecordError, StartError};
use crate::store::records::{
    DiskRecord, STORE_BASE, STORE_GENERATION, STORE_IDENTITY, decode, disk_key, encode, parse,
};

/// As it was read when the daemon started.
pub(crate) struct StoreState {
    identity: Option<(Entry, StoreId)>,
    generation: Option<(Entry, u64)>,
    /// What revisions count from. A store that was made anew from a copy counts its own from 1; this is
    /// set then, so that an alloc stays newer than every one before it.
    pub base: u64,
}

impl StoreState {
    pub async fn read(store: &dyn MetaStore) -> Result<Self, StartError> {
        let identity = store.get(STORE_IDENTITY).await?;
        let generation = store.get(STORE_GENERATION).await?;
        let base = store.get(STORE_BASE).await?;
        Ok(Self {
            identity: identity.map(with_value).transpose()?,
            generation: generation.map(with_value).transpose()?,
            base: base.as_ref().map_or(Ok(0), parse)?,
        })
    }

    /// The store's id, once it was started on.
    pub fn id(&self) -> Option<StoreId> {
        self.identity.as_ref().map(|(_, id)| *id)
    }

    /// How many starts the store knows of.
    pub fn generation(&self) -> u64 {
        self.generation.as_ref().map_or(0, |(_, number)| *number)
    }

    /// Refuses a disk of another store, a store that is older than a disk, and a disk that is older
    /// than the store's record of it.
    pub fn check(&self, disk: &Disk, record: Option<&DiskRecord>) -> Result<(), StartError> {
        let path = disk.path().to_owned();
        let recorded = record.map_or(0, |record| record.generation);
        let Some((of, StoreGeneration(known))) = disk.served() else {
            if recorded > 0 {
                tracing::warn!(path = %path.display(), "the disk's state was moved away: it is not checked");
            }
            return Ok(());
        };
        let store = self.generation();
        if Some(of) != self.id() {
            Err(StartError::OtherStore { path, of })
        } else if known > store {
            Err(StartError::OlderStore { path, known, store })
        } else if recorded > known {
            Err(StartError::OlderDisk {
                path,
                known,
                recorded,
            })
        } else {
            Ok(())
        }
    }

    /// Counts this start, durably; to be called once everything agrees.
    pub async fn begin(
        mut self,
        store: &dyn MetaStore,
    ) -> Result<(StoreId, StoreGeneration), StartError> {
        loop {
            let id = self.id().unwrap_or_else(|| StoreId(rand::rng().random()));
            let generation = self.generation() + 1;
            let same = vec![
                as_it_was(
                    STORE_IDENTITY,
                    self.identity.as_ref().map(|(entry, _)| entry),
                ),
                as_it_was(
                    STORE_GENERATION,
                    self.generation.as_ref().map(|(entry, _)| entry),
                ),
            ];
            let mut puts = vec![Change::Put(
                STORE_GENERATION.to_vec(),
                generation.to_string().into_bytes(),
            )];
            if self.identity.is_none() {
                let text = id.to_string().into_bytes();
                puts.push(Change::Put(STORE_IDENTITY.to_vec(), text));
            }
            if let Outcome::Committed(_) = store.transact(same, puts).await? {
                return Ok((id, StoreGeneration(generation)));
            }
            self = Self::read(store).await?;
        }
    }
}

/// Counts a start in the store, then on the disks, then in the store's records of them: a disk
/// never knows more than its store, and never less than its record.
pub(crate) async fn serve(
    store: &dyn MetaStore,
    state: StoreState,
    disks: BTreeMap<DiskNumber, Arc<Disk>>,
    own: Option<NodeNumber>,
) -> Result<BTreeMap<DiskNumber, Arc<Disk>>, StartError> {
    let (id, generation) = state.begin(store).await?;
    let disks = blocking(move || {
        for disk in disks.values() {
            disk.serve(id, generation)
                .map_err(disk_error(disk.path()))?;
        }
        Ok(disks)
    })
    .await?;
    for disk in disks.values() {
        note_generation(store, disk, generation, own).await?;
    }
    Ok(disks)
}

/// Notes where a disk serves, and that it knows of a start: from now on, one that does not is an older copy of it.
async fn note_generation(
    store: &dyn MetaStore,
    disk: &Arc<Disk>,
    generation: StoreGeneration,
    own: Option<NodeNumber>,
) -> Result<(), StartError> {
    let key = disk_key(disk.id());
    while let Some(entry) = store.get(&key).await? {
        let mut record: DiskRecord = decode(&entry)?;
        record.generation = generation.0;
        record.path = Some(disk.path().to_owned());
        record.node = own.map(|own| own.0);
        let same = vec![Compare::Unchanged(key.clone(), entry.modified)];
        let put = vec![Change::Put(key.clone(), encode(&record))];
        if let Outcome::Committed(_) = store.transact(same, put).await? {
            break;
        }
    }
    Ok(())
}

fn with_value<T: std::str::FromStr<Err: std::fmt::Display>>(
    entry: Entry,
) -> Result<(Entry, T), RecordError> {
    let value = parse(&entry)?;
    Ok((entry, value))
}

/// The condition that nobody changed a key since it was read.
pub(crate) fn as_it_was(key: &[u8], entry: Option<&Entry>) -> Compare {
    match entry {
        Some(entry) => Compare::Unchanged(key.to_vec(), entry.modified),
        None => Compare::Absent(key.to_vec()),
    }
}
