//! Starting: disks opened and numbered, volumes recovered, leftovers removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use volumed_core::replica::{Damage, Replica};
use volumed_core::{DiskNumber, VolumeId};
use volumed_disk::{Disk, DiskError, SpaceSettings};
use volumed_meta::{Change, Compare, MetaStore, Outcome};

use super::activity::DiskWork;
use super::damage::{self, LoadError};
use super::error::StartError;
use super::leftovers::Leftovers;
use super::machine::{Machine, Node};
use super::name::VolumeName;
use super::placements::{self, Placements, PlacementsError};
use super::pool::Pool;
use super::records::{
    DISK_COUNTER, DISK_NUMBERS, DiskRecord, VERSION, VOLUMES, VolumeRecord, decode, disk_key,
    disk_number_key, encode, last_part, parse, read_all, unreadable,
};
use super::store_format;
use super::store_state::{StoreState, note_generation};
use super::view::DiskSettings;
use super::volume::Volume;
use crate::descriptors;

pub(super) struct Recorded {
    pub name: VolumeName,
    pub record: VolumeRecord,
    pub placements: Placements,
    pub damage: BTreeMap<DiskNumber, Damage>,
}

pub(super) async fn start(
    store: Arc<dyn MetaStore>,
    settings: Vec<DiskSettings>,
) -> Result<(Arc<Node>, BTreeMap<VolumeName, Arc<Volume>>), StartError> {
    let opened = open_disks(settings).await?;
    let state = StoreState::read(&*store).await?;
    let recorded = read_volumes(&*store).await?;
    let base = state.base;
    let revision = store.revision().await? + base;
    let (mut disks, mut new) = (BTreeMap::new(), Vec::new());
    for disk in opened {
        match number_of(&*store, &state, &disk).await? {
            Some(number) => {
                disks.insert(number, Arc::new(disk));
            }
            None => new.push(disk),
        }
    }
    // V11: nothing is changed on any disk or in the store before all disks agree with the store. A
    // refused start that took a revision would bring the store nearer to what it was refused for.
    let found = disks.clone();
    let (recorded, leftovers) = blocking(move || {
        let leftovers = find_leftovers(&found, &recorded, revision)?;
        Ok((recorded, leftovers))
    })
    .await?;
    store_format::raise(&*store, &disks, store_format::FORMAT).await?;
    for disk in new {
        let number = join(&*store, &disk).await?;
        disks.insert(number, Arc::new(disk));
    }
    let disks = serve(&*store, state, disks).await?;
    let pools = disks
        .keys()
        .map(|&disk| Ok((disk, Pool::start(disk)?)))
        .collect::<Result<_, _>>()
        .map_err(StartError::Threads)?;
    let node = Arc::new(Node {
        store,
        base,
        disks,
        pools,
        work: DiskWork::default(),
        runtime: tokio::runtime::Handle::current(),
        started: Instant::now(),
        machines: Mutex::default(),
    });
    let recovering = Arc::clone(&node);
    let volumes = blocking(move || {
        leftovers.into_iter().for_each(Leftovers::collect);
        recover(&recovering, recorded)
    });
    Ok((node, volumes.await?))
}

/// Counts a start in the store, then on the disks, then in the store's records of them: a disk
/// never knows more than its store, and never less than its record.
pub(super) async fn serve(
    store: &dyn MetaStore,
    state: StoreState,
    disks: BTreeMap<DiskNumber, Arc<Disk>>,
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
        note_generation(store, disk, generation).await?;
    }
    Ok(disks)
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StartError::Threads(error.into()))?
}

pub(super) async fn read_volumes(
    store: &dyn MetaStore,
) -> Result<BTreeMap<VolumeId, Recorded>, StartError> {
    let mut recorded = BTreeMap::new();
    for entry in read_all(store, VOLUMES).await? {
        let unreadable = |why: &str| unreadable(&entry.key, why);
        let id: VolumeId = last_part(&entry.key)
            .parse()
            .map_err(|_| unreadable("its key is no volume's"))?;
        let record: VolumeRecord = decode(&entry)?;
        let name = record
            .name
            .parse()
            .map_err(|_| unreadable("its name is no volume's"))?;
        let placements = placements::load(store, id)
            .await
            .map_err(|error| match error {
                PlacementsError::Record(error) => StartError::Record(error),
                PlacementsError::Store(error) => StartError::Store(error),
                PlacementsError::Gone => StartError::Record(unreadable("it is gone")),
            })?;
        let damage = damage::load(store, id).await.map_err(|error| match error {
            LoadError::Record(error) => StartError::Record(error),
            LoadError::Store(error) => StartError::Store(error),
        })?;
        let volume = Recorded {
            name,
            record,
            placements,
            damage,
        };
        recorded.insert(id, volume);
    }
    Ok(recorded)
}

pub(super) async fn open_disks(settings: Vec<DiskSettings>) -> Result<Vec<Disk>, StartError> {
    if settings.is_empty() {
        return Err(StartError::NoDisks);
    }
    let open_extents = descriptors::extents_on_each(settings.len());
    blocking(move || {
        let mut opened: Vec<Disk> = Vec::new();
        for DiskSettings {
            path,
            capacity,
            reserve,
        } in settings
        {
            let space = SpaceSettings { capacity, reserve };
            let same = path
                .canonicalize()
                .ok()
                .and_then(|real| opened.iter().find(|other| other.path() == real));
            if let Some(other) = same {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            let settings = volumed_disk::DiskSettings {
                path: path.clone(),
                space,
                open_extents,
            };
            let disk = Disk::open(settings).map_err(disk_error(&path))?;
            if let Some(other) = opened.iter().find(|other| other.id() == disk.id()) {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            opened.push(disk);
        }
        share_file_systems(&opened)?;
        Ok(opened)
    })
    .await
}

/// Disks on one file system are allowed, say to try something out, but its space counts once.
fn share_file_systems(disks: &[Disk]) -> Result<(), StartError> {
    for disk in disks {
        let sharers = disks.iter().filter(|other| other.shares_file_system(disk));
        let sharers = sharers.count() as u64;
        disk.share_file_system(sharers)
            .map_err(disk_error(disk.path()))?;
        if sharers > 1 {
            tracing::warn!(
                path = %disk.path().display(),
                "the disk shares its file system with others of the pool: it counts with 1/{sharers} \
                 of the space, and they would fail together"
            );
        }
    }
    Ok(())
}

pub(super) fn disk_error(path: &std::path::Path) -> impl FnOnce(DiskError) -> StartError {
    let path = path.to_owned();
    move |source| StartError::Disk { path, source }
}

/// The disk's number in placement records. One that the store does not know must be empty: the
/// volumes on any other belong to another store.
async fn number_of(
    store: &dyn MetaStore,
    state: &StoreState,
    disk: &Disk,
) -> Result<Option<DiskNumber>, StartError> {
    let entry = store.get(&disk_key(disk.id())).await?;
    let record: Option<DiskRecord> = entry.as_ref().map(decode).transpose()?;
    state.check(disk, record.as_ref())?;
    if let Some(record) = record {
        return Ok(Some(DiskNumber(record.number)));
    }
    if !disk.scan().map_err(disk_error(disk.path()))?.is_empty() {
        return Err(StartError::ForeignDisk(disk.path().to_owned()));
    }
    Ok(None)
}

/// Takes a disk into the pool; answers its number. None is given twice: a placement page may still
/// name one that left.
async fn join(store: &dyn MetaStore, disk: &Disk) -> Result<DiskNumber, StartError> {
    let (key, counter) = (disk_key(disk.id()), DISK_COUNTER.to_vec());
    loop {
        let (given, same) = match store.get(DISK_COUNTER).await? {
            Some(entry) => {
                let same = Compare::Unchanged(counter.clone(), entry.modified);
                (parse(&entry)?, same)
            }
            None => (
                given_uncounted(store).await?,
                Compare::Absent(counter.clone()),
            ),
        };
        let number = u16::try_from(given).map_err(|_| StartError::TooManyDisks)?;
        let number_key = disk_number_key(DiskNumber(number));
        let record = DiskRecord {
            version: VERSION,
            number,
            generation: 0,
        };
        let absent = vec![
            same,
            Compare::Absent(number_key.clone()),
            Compare::Absent(key.clone()),
        ];
        let puts = vec![
            Change::Put(counter.clone(), (given + 1).to_string().into_bytes()),
            Change::Put(number_key, disk.id().to_string().into_bytes()),
            Change::Put(key.clone(), encode(&record)),
        ];
        if let Outcome::Committed(_) = store.transact(absent, puts).await? {
            return Ok(DiskNumber(number));
        }
    }
}

/// How many numbers were given by programs that did not count them.
async fn given_uncounted(store: &dyn MetaStore) -> Result<u32, StartError> {
    let mut given = 0;
    for entry in read_all(store, DISK_NUMBERS).await? {
        let number = last_part(&entry.key).parse::<u16>();
        let number = number.map_err(|error| unreadable(&entry.key, error))?;
        given = given.max(u32::from(number) + 1);
    }
    Ok(given)
}

fn find_leftovers(
    disks: &BTreeMap<DiskNumber, Arc<Disk>>,
    recorded: &BTreeMap<VolumeId, Recorded>,
    revision: u64,
) -> Result<Vec<Leftovers>, StartError> {
    let find = |(&number, disk): (&DiskNumber, &Arc<Disk>)| {
        let placed = |volume| {
            let known: &Recorded = recorded.get(&volume)?;
            Some(known.placements.on(number))
        };
        Leftovers::find(disk, placed, revision)
    };
    disks.iter().map(find).collect()
}

fn recover(
    node: &Arc<Node>,
    recorded: BTreeMap<VolumeId, Recorded>,
) -> Result<BTreeMap<VolumeName, Arc<Volume>>, StartError> {
    let mut volumes = BTreeMap::new();
    for (
        id,
        Recorded {
            name,
            record,
            placements,
            mut damage,
        },
    ) in recorded
    {
        let mut replicas = BTreeMap::new();
        for (&number, disk) in &node.disks {
            let found = disk.recover(id, placements.on(number));
            let found = found.map_err(disk_error(disk.path()))?;
            match Replica::recover(id, number, Arc::clone(disk.space()), found) {
                Ok(mut replica) => {
                    replica.recall_damage(damage.remove(&number).unwrap_or_default());
                    replicas.insert(number, replica);
                }
                Err(error) => {
                    tracing::error!(volume = %name, disk = %disk.id(), %error, "the promise is damaged");
                }
            }
        }
        let machine = Machine::new(id, record.replicas, Arc::clone(node), replicas);
        volumes.insert(name.clone(), Volume::new(id, name, record, machine));
    }
    // Only now is known what the volumes hold.
    for disk in node.disks.values() {
        disk.measure().map_err(disk_error(disk.path()))?;
    }
    Ok(volumes)
}
