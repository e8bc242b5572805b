//! Starting: disks opened and numbered, volumes recovered, leftovers removed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use volumed_core::message::ExtentFile;
use volumed_core::replica::Replica;
use volumed_core::{DiskNumber, VolumeId};
use volumed_disk::Disk;
use volumed_meta::MetaStore;

use crate::disks::added::{absent, with_added};
use crate::disks::leftovers::Leftovers;
use crate::disks::numbers::{join, number_of};
use crate::disks::open::{blocking, disk_error, open_disks};
use crate::disks::open_extents::OpenExtents;
use crate::disks::work::DiskWork;
use crate::disks::{DiskMap, Disks, PoolDisk};
use crate::error::{AttachError, StartError};
use crate::machine::{Held, Machine, Node};
use crate::name::VolumeName;
use crate::nodes::{self, OwnNode};
use crate::scrub;
use crate::store::format;
use crate::store::placements::{self, Pages};
use crate::store::recorded::{Recorded, placements_error, read_volumes};
use crate::store::records::{DiskRecord, decode, disk_key};
use crate::store::state::{StoreState, serve};
use crate::view::DiskSettings;
use crate::volume::Volume;

/// Tokens that are checked at one time, each with some calls of the store.
const CHECKS: usize = 32;

pub(super) async fn start(
    store: Arc<dyn MetaStore>,
    settings: Vec<DiskSettings>,
    open_extents: OpenExtents,
    own: Option<OwnNode>,
) -> Result<(Arc<Node>, BTreeMap<VolumeName, Arc<Volume>>), StartError> {
    if settings.is_empty() {
        return Err(StartError::NoDisks);
    }
    let number = own.as_ref().map(|own| own.number);
    let settings = with_added(&*store, settings, number).await?;
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
    let (missing, removed) = absent(&*store, &disks, left, number).await?;
    for volume in recorded.values_mut() {
        volume.placements.lose(&removed.numbers);
    }
    // Nobody goes on with a copy that an earlier process began; in a cluster, a head elsewhere may.
    let copies: Vec<_> = recorded
        .iter_mut()
        .filter(|_| own.is_none())
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
    format::raise(&*store, &disks, format::FORMAT).await?;
    forget_copies(&*store, copies).await?;
    for disk in new {
        let number = join(&*store, &disk, None).await?;
        disks.insert(number, Arc::new(disk));
    }
    let disks = serve(&*store, state, disks, number).await?;
    let here = pool_disks(disks).map_err(StartError::Threads)?;
    let others = nodes::join(&*store, own).await?;
    let node = Arc::new(Node {
        store,
        base,
        disks: Disks::new(here, missing, removed),
        open_extents,
        work: DiskWork::default(),
        runtime: tokio::runtime::Handle::current(),
        started: Instant::now(),
        machines: Mutex::default(),
        others,
        served: RwLock::default(),
    });
    node.connect();
    let recovering = Arc::clone(&node);
    let volumes = blocking(move || {
        leftovers.into_iter().for_each(Leftovers::collect);
        recover(&recovering, recorded)
    });
    let volumes = volumes.await?;
    check_tokens(&volumes).await?;
    Ok((node, volumes))
}

async fn forget_copies(
    store: &dyn MetaStore,
    copies: Vec<(VolumeId, Vec<ExtentFile>)>,
) -> Result<(), StartError> {
    for (volume, files) in copies {
        for file in files {
            let pages = Pages {
                store,
                volume,
                head: None,
            };
            let forgotten = placements::forget_copies(&pages, file).await;
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
async fn check_tokens(volumes: &BTreeMap<VolumeName, Arc<Volume>>) -> Result<(), StartError> {
    let permits = Arc::new(Semaphore::new(CHECKS));
    let mut checks = JoinSet::new();
    for volume in volumes.values().filter(|volume| volume.has_token()) {
        let (volume, permits) = (Arc::clone(volume), Arc::clone(&permits));
        checks.spawn(async move {
            let _permit = permits.acquire().await;
            check_token(&volume).await
        });
    }
    checks.join_all().await.into_iter().collect()
}

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
pub(crate) fn recover_volume(
    node: &Arc<Node>,
    id: VolumeId,
    recorded: Recorded,
) -> Result<Arc<Volume>, StartError> {
    let Recorded {
        name,
        record,
        revision,
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
    Ok(Volume::new(id, name, (record, revision), machine))
}
