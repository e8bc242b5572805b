//! Starting: disks opened and numbered, volumes recovered, leftovers removed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{Damage, Replica};
use volumed_core::{DiskNumber, VolumeId};
use volumed_disk::{Disk, DiskError};
use volumed_meta::{Entry, MetaStore};

use super::activity::DiskWork;
use super::added::{absent, with_added};
use super::damage;
use super::disks::{DiskMap, Disks, PoolDisk, share_file_systems};
use super::error::{AttachError, StartError};
use super::join::{join, number_of, open_disk};
use super::leftovers::Leftovers;
use super::machine::{Held, Machine, Node};
use super::name::VolumeName;
use super::open_extents::OpenExtents;
use super::placements::{self, Placements, PlacementsError};
use super::records::{
    DiskRecord, VOLUMES, VolumeRecord, decode, disk_key, last_part, read_all, unreadable,
    volume_key,
};
use super::scrub;
use super::store_format;
use super::store_state::{StoreState, note_generation};
use super::view::DiskSettings;
use super::volume::Volume;

pub(super) struct Recorded {
    pub name: VolumeName,
    pub record: VolumeRecord,
    pub placements: Placements,
    pub damage: BTreeMap<DiskNumber, Damage>,
}

pub(super) async fn start(
    store: Arc<dyn MetaStore>,
    settings: Vec<DiskSettings>,
    open_extents: OpenExtents,
) -> Result<(Arc<Node>, BTreeMap<VolumeName, Arc<Volume>>), StartError> {
    if settings.is_empty() {
        return Err(StartError::NoDisks);
    }
    let settings = with_added(&*store, settings).await?;
    let opened = open_disks(settings, open_extents).await?;
    let state = StoreState::read(&*store).await?;
    let mut recorded = read_volumes(&*store).await?;
    let base = state.base;
    let revision = store.revision().await? + base;
    let Opened {
        mut disks,
        new,
        left,
    } = sort(&*store, &state, opened).await?;
    scrub::check(&*store).await?;
    let (missing, removed) = absent(&*store, &disks, left).await?;
    for volume in recorded.values_mut() {
        volume.placements.lose(&removed.numbers);
    }
    // Nobody goes on with a copy that an earlier process began.
    let copies: Vec<_> = recorded
        .iter_mut()
        .map(|(&volume, it)| (volume, it.placements.forget_copies()))
        .collect();
    // V11: nothing is changed on any disk or in the store before all disks agree with the store. A
    // refused start that took a revision would bring the store nearer to what it was refused for.
    let found = disks.clone();
    let (recorded, leftovers) = blocking(move || {
        let leftovers = find_leftovers(&found, &recorded, revision)?;
        Ok((recorded, leftovers))
    })
    .await?;
    if disks.is_empty() && new.is_empty() {
        return Err(StartError::NoDisks);
    }
    store_format::raise(&*store, &disks, store_format::FORMAT).await?;
    forget_copies(&*store, copies).await?;
    for disk in new {
        let number = join(&*store, &disk, None).await?;
        disks.insert(number, Arc::new(disk));
    }
    let disks = serve(&*store, state, disks).await?;
    let here = pool_disks(disks).map_err(StartError::Threads)?;
    let node = Arc::new(Node {
        store,
        base,
        disks: Disks::new(here, missing, removed),
        open_extents,
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
    let volumes = volumes.await?;
    for volume in volumes.values() {
        check_token(volume).await?;
    }
    Ok((node, volumes))
}

async fn forget_copies(
    store: &dyn MetaStore,
    copies: Vec<(VolumeId, Vec<ExtentFile>)>,
) -> Result<(), StartError> {
    for (volume, files) in copies {
        for file in files {
            let forgotten = placements::forget_copies(store, volume, file).await;
            forgotten.map_err(|error| placements_error(error, volume))?;
        }
    }
    Ok(())
}

/// Gives each disk its threads.
fn pool_disks(disks: BTreeMap<DiskNumber, Arc<Disk>>) -> io::Result<DiskMap> {
    let pool_disk = |(number, disk)| Ok((number, PoolDisk::new(number, disk)?));
    disks.into_iter().map(pool_disk).collect()
}

/// Disks as the store knows them.
#[derive(Default)]
struct Opened {
    disks: BTreeMap<DiskNumber, Arc<Disk>>,
    /// Those that it does not know.
    new: Vec<Disk>,
    /// Those that were removed from the pool, which are passed over, and where they are.
    left: BTreeMap<DiskNumber, PathBuf>,
}

async fn sort(
    store: &dyn MetaStore,
    state: &StoreState,
    disks: Vec<Disk>,
) -> Result<Opened, StartError> {
    let mut opened = Opened::default();
    for disk in disks {
        if let Some(number) = has_left(store, &disk).await? {
            let path = disk.path().to_owned();
            tracing::warn!(path = %path.display(), "the disk was removed from the pool, and is passed over: take it out of the settings, or `volumed disk add` it");
            opened.left.insert(number, path);
            continue;
        }
        match number_of(store, state, &disk).await? {
            Some(number) => {
                opened.disks.insert(number, Arc::new(disk));
            }
            None => opened.new.push(disk),
        }
    }
    Ok(opened)
}

/// V9: before anything can be moved from the disks that lost something.
async fn check_token(volume: &Volume) -> Result<(), StartError> {
    match volume.check_token().await {
        Err(AttachError::Record(error)) => Err(error.into()),
        Err(AttachError::Store(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// The number of a disk that was removed from the pool.
async fn has_left(store: &dyn MetaStore, disk: &Disk) -> Result<Option<DiskNumber>, StartError> {
    let entry = store.get(&disk_key(disk.id())).await?;
    let record: Option<DiskRecord> = entry.as_ref().map(decode).transpose()?;
    let left = record.filter(|record| record.removed);
    Ok(left.map(|record| DiskNumber(record.number)))
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
        let (id, volume) = read_volume(store, &entry).await?;
        recorded.insert(id, volume);
    }
    Ok(recorded)
}

/// What the store has of a volume, whose record this is.
pub(super) async fn read_volume(
    store: &dyn MetaStore,
    entry: &Entry,
) -> Result<(VolumeId, Recorded), StartError> {
    let unreadable = |why: &str| unreadable(&entry.key, why);
    let id: VolumeId = last_part(&entry.key)
        .parse()
        .map_err(|_| unreadable("its key is no volume's"))?;
    let record: VolumeRecord = decode(entry)?;
    let name = record
        .name
        .parse()
        .map_err(|_| unreadable("its name is no volume's"))?;
    let placements = placements::load(store, id).await;
    let placements = placements.map_err(|error| placements_error(error, id))?;
    let damage = damage::load(store, id).await?;
    let volume = Recorded {
        name,
        record,
        placements,
        damage,
    };
    Ok((id, volume))
}

fn placements_error(error: PlacementsError, volume: VolumeId) -> StartError {
    match error {
        PlacementsError::Record(error) => StartError::Record(error),
        PlacementsError::Store(error) => StartError::Store(error),
        PlacementsError::Gone => StartError::Record(unreadable(&volume_key(volume), "it is gone")),
    }
}

pub(super) async fn open_disks(
    settings: Vec<DiskSettings>,
    open_extents: OpenExtents,
) -> Result<Vec<Disk>, StartError> {
    if settings.is_empty() {
        return Err(StartError::NoDisks);
    }
    let open_extents = open_extents.on_each(settings.len());
    blocking(move || {
        let mut opened: Vec<Disk> = Vec::new();
        for it in settings {
            let path = it.path.clone();
            let same = path
                .canonicalize()
                .ok()
                .and_then(|real| opened.iter().find(|other| other.path() == real));
            if let Some(other) = same {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            let disk = open_disk(it, open_extents)?;
            if let Some(other) = opened.iter().find(|other| other.id() == disk.id()) {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            opened.push(disk);
        }
        share_file_systems(&opened.iter().collect::<Vec<_>>());
        Ok(opened)
    })
    .await
}

pub(super) fn disk_error(path: &std::path::Path) -> impl FnOnce(DiskError) -> StartError {
    let path = path.to_owned();
    move |source| StartError::Disk { path, source }
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
    for (id, recorded) in recorded {
        let volume = recover_volume(node, id, recorded)?;
        volumes.insert(volume.name.clone(), volume);
    }
    // Only now is known what the volumes hold.
    for on in node.disks.all().values() {
        on.disk.measure().map_err(disk_error(on.disk.path()))?;
    }
    Ok(volumes)
}

/// Makes a volume's replicas from what the disks hold. Blocks.
pub(super) fn recover_volume(
    node: &Arc<Node>,
    id: VolumeId,
    recorded: Recorded,
) -> Result<Arc<Volume>, StartError> {
    let Recorded {
        name,
        record,
        placements,
        mut damage,
    } = recorded;
    let mut replicas = BTreeMap::new();
    for (&number, on) in &*node.disks.all() {
        let disk = &on.disk;
        let found = disk.recover(id, placements.on(number));
        let found = found.map_err(disk_error(disk.path()))?;
        match Replica::recover(id, number, Arc::clone(disk.space()), found) {
            Ok(mut replica) => {
                replica.recall_damage(damage.remove(&number).unwrap_or_default());
                let on = Arc::clone(on);
                replicas.insert(number, Held { on, replica });
            }
            Err(error) => {
                tracing::error!(volume = %name, disk = %disk.id(), %error, "the promise is damaged");
            }
        }
    }
    let machine = Machine::new(id, record.replicas, Arc::clone(node), replicas);
    machine.know_lost(placements.lost);
    Ok(Volume::new(id, name, record, machine))
}
