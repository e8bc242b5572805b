//! Puts a copy in the metadata store's place, while no daemon runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use volumed_core::format::Slots;
use volumed_core::{DiskNumber, VolumeId};
use volumed_disk::Disk;
use volumed_meta::{
    Change, Compare, Copied, CopyError, EtcdLocation, Location, MetaStore, OpenError, Outcome,
    ReplaceError,
};

use crate::disks::added::with_added;
use crate::disks::open::{blocking, disk_error, open_disks};
use crate::disks::open_extents::OpenExtents;
use crate::error::StartError;
use crate::store::elsewhere::leave_room;
use crate::store::format::FORMAT;
use crate::store::import::{ImportStoreError, import_store, refuse_unless_empty};
use crate::store::recorded::{Recorded, read_volumes};
use crate::store::records::{
    DiskRecord, STORE_BASE, STORE_FORMAT, STORE_GENERATION, StaleRecord, VERSION, VOLUME_COUNTER,
    decode, disk_key, encode, parse, read_all, stale_key, volume_key,
};
use crate::store::state::StoreState;
use crate::view::DiskSettings;

/// A store that removed a record is at least this much further than the alloc of its files, and only
/// then are files without a record no sign of a rollback.
pub(super) const BEYOND_REMOVALS: u64 = 2;

/// What a copy lacks of what the disks and the store that it replaces tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Loss {
    /// Starts and copies that were counted after the copy was made.
    pub generations: u64,
    /// Revisions of the store in place that the copy lacks; `None` when that store is unreadable or
    /// gone.
    pub revisions: Option<u64>,
    /// Extents that hold data on a disk and have no record in the copy: the next start removes them.
    pub unrecorded: u64,
    /// Extents that the copy records and no disk holds: what they held cannot be read.
    pub missing: u64,
    /// Volumes that only the disks know of.
    pub volumes: u64,
    /// Disks that the copy knows and that are not here: what they hold was not looked at.
    pub absent: u64,
}

impl Loss {
    /// Whether the copy is the newest state that is known of.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self {
            generations,
            revisions,
            unrecorded,
            missing,
            volumes,
            absent,
        } = *self;
        let revisions = revisions.unwrap_or(0);
        generations + revisions + unrecorded + missing + volumes + absent == 0
    }
}

/// A copy is the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the copy held.
    pub copied: Copied,
    /// What it lacked.
    pub loss: Loss,
    /// Where the store that was in place is kept, if there was one. In an etcd none may be.
    pub kept: Option<PathBuf>,
}

/// Why nothing was restored; store and disks are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy cannot be used.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy does not go with a disk, or cannot be understood.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The disk was added after the copy was made.
    #[error(
        "the copy does not know the disk {}, which holds volumes: take a newer copy, or take the disk \
         out of `disks` of the configuration file", .0.display()
    )]
    UnknownDisk(PathBuf),
    /// The copy is older than what disks or store tell.
    #[error("the store is older than the disks: add --accept-loss to do without what it lacks")]
    Loss(Loss),
    /// The store cannot be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The copy cannot be brought into the etcd.
    #[error(transparent)]
    Import(#[from] ImportStoreError),
}

/// What the disks hold, beside what the copy records.
#[derive(Default)]
struct Survey {
    loss: Loss,
    generation: u64,
    alloc: u64,
    last_volume: u64,
    /// The epochs that were promised (V1): a head of a lower one would be refused.
    promised: BTreeMap<VolumeId, u64>,
}

/// Puts the copy `from` in the place of the store at `location`, so that a daemon starts on it with the
/// disks of `disks`. The caller sees to it that no daemon runs. With a loss, only if it is accepted.
/// The copy is made ready in the file `beside`: beside the store, if that is a file.
pub async fn restore(
    from: &Path,
    location: &Location,
    beside: &Path,
    disks: Vec<DiskSettings>,
    accept_loss: bool,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, RestoreError> {
    if let Location::Etcd(etcd) = location {
        refuse_unless_empty(etcd).await?;
    }
    let copied = copy_beside(from, beside, progress).await?;
    let restored = match prepare(beside, location, disks, accept_loss).await {
        Ok(loss) => {
            put_in_place(location, beside)
                .await
                .map(|kept| Restored { copied, loss, kept })
        }
        Err(error) => Err(error),
    };
    // Where it has become the store, it is there no more.
    let _ = std::fs::remove_file(beside);
    restored
}

/// Brings the copy `from` into the etcd of a cluster, which must have no store, on one of its nodes, whose disks are
/// compared for what is lost. Those of others cannot be; so what the copy counts goes on well beyond what they may
/// have seen, and what they hold without a record is removed when their nodes start.
pub async fn restore_into_cluster(
    from: &Path,
    into: EtcdLocation,
    beside: &Path,
    disks: Vec<DiskSettings>,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, RestoreError> {
    refuse_unless_empty(&into).await?;
    let copied = copy_beside(from, beside, progress).await?;
    let prepared = async {
        let store = volumed_meta::open(beside).await?;
        let loss = go_on_with(&*store, disks, true).await?;
        leave_room(&*store).await?;
        Ok::<_, RestoreError>(loss)
    };
    let restored = match prepared.await {
        Ok(loss) => {
            let imported = import_store(beside, into).await;
            imported.map(|_| loss).map_err(RestoreError::from)
        }
        Err(error) => Err(error),
    };
    let _ = std::fs::remove_file(beside);
    let kept = None;
    restored.map(|loss| Restored { copied, loss, kept })
}

async fn copy_beside(
    from: &Path,
    beside: &Path,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Copied, RestoreError> {
    let (source, target) = (from.to_owned(), beside.to_owned());
    let copied =
        tokio::task::spawn_blocking(move || volumed_meta::copy_file(&source, &target, progress));
    let copied = copied
        .await
        .map_err(|error| CopyError::Thread(error.into()))?;
    Ok(copied?)
}

/// Answers where what was there is kept.
async fn put_in_place(location: &Location, new: &Path) -> Result<Option<PathBuf>, RestoreError> {
    match location {
        Location::File(path) => {
            let unused = unused(path);
            let kept = path.exists().then(|| unused.clone());
            volumed_meta::replace(path, new, &unused)?;
            Ok(kept)
        }
        Location::Etcd(etcd) => {
            import_store(new, etcd.clone()).await?;
            Ok(None)
        }
    }
}

fn unused(path: &Path) -> PathBuf {
    let names = (1_u32..).map(|number| path.with_added_extension(format!("replaced-{number}")));
    let mut unused = names.filter(|path| !path.exists());
    unused.next().expect("there are more names than files")
}

/// Compares the copy with the disks, and has it go on after all that they tell of.
async fn prepare(
    copy: &Path,
    location: &Location,
    disks: Vec<DiskSettings>,
    accept_loss: bool,
) -> Result<Loss, RestoreError> {
    let store = volumed_meta::open(copy).await?;
    let mut compared = compare(&*store, disks).await?;
    compared.survey.loss.revisions = revisions_of(location, &*store).await;
    compared.go_on(&*store, accept_loss).await
}

/// Compares a store that may lack what others of its cluster were told last with the disks of this node, and has it
/// go on after all that they tell of. With a loss, only if it is accepted.
pub async fn go_on_with(
    store: &dyn MetaStore,
    disks: Vec<DiskSettings>,
    accept_loss: bool,
) -> Result<Loss, RestoreError> {
    let mut compared = compare(store, disks).await?;
    // Other nodes look at theirs.
    compared.survey.loss.absent = 0;
    compared.go_on(store, accept_loss).await
}

/// A store beside the disks.
struct Compared {
    state: StoreState,
    survey: Survey,
    recorded: BTreeMap<VolumeId, Recorded>,
}

impl Compared {
    async fn go_on(self, store: &dyn MetaStore, accept_loss: bool) -> Result<Loss, RestoreError> {
        let Self {
            state,
            survey,
            recorded,
        } = self;
        if !accept_loss && !survey.loss.is_nothing() {
            return Err(RestoreError::Loss(survey.loss));
        }
        go_on_after(store, &state, &survey, &recorded).await?;
        Ok(survey.loss)
    }
}

async fn compare(
    store: &dyn MetaStore,
    disks: Vec<DiskSettings>,
) -> Result<Compared, RestoreError> {
    let state = StoreState::read(store).await?;
    refuse_newer(store).await?;
    let disks = with_added(store, disks, None).await?;
    // A directory that is no disk yet, say since nothing is mounted on it, tells nothing.
    let disks = disks
        .into_iter()
        .filter(|disk| disk.path.join("disk.json").exists());
    let disks: Vec<_> = disks.collect();
    let disks = if disks.is_empty() {
        Vec::new()
    } else {
        // Nothing is served from them.
        open_disks(disks, OpenExtents(0)).await?
    };
    let mut numbered = BTreeMap::new();
    let mut generation = 0;
    for disk in disks {
        let served = disk.served().map_or(0, |(_, generation)| generation.0);
        generation = generation.max(served);
        let entry = store
            .get(&disk_key(disk.id()))
            .await
            .map_err(StartError::from)?;
        let record: Option<DiskRecord> = entry
            .as_ref()
            .map(decode)
            .transpose()
            .map_err(StartError::from)?;
        refuse_foreign(&state, &disk)?;
        match record {
            Some(record) => {
                numbered.insert(DiskNumber(record.number), Arc::new(disk));
            }
            None if disk.scan().map_err(disk_error(disk.path()))?.is_empty() => {}
            None => return Err(RestoreError::UnknownDisk(disk.path().to_owned())),
        }
    }
    let known = read_all(store, b"disks/").await.map_err(StartError::from)?;
    let mut pool = 0;
    for entry in &known {
        let record: DiskRecord = decode(entry).map_err(StartError::from)?;
        pool += usize::from(!record.removed);
    }
    let absent = pool.saturating_sub(numbered.len()) as u64;
    let recorded = read_volumes(store).await?;
    let (mut survey, recorded) =
        blocking(move || Ok((survey(&numbered, &recorded)?, recorded))).await?;
    survey.generation = generation;
    survey.loss.absent = absent;
    survey.loss.generations = survey.generation.saturating_sub(state.generation());
    Ok(Compared {
        state,
        survey,
        recorded,
    })
}

async fn refuse_newer(store: &dyn MetaStore) -> Result<(), StartError> {
    let entry = store.get(STORE_FORMAT).await?;
    let found = entry.as_ref().map_or(Ok(1), parse::<u32>)?;
    if found > FORMAT {
        return Err(StartError::NewerStore {
            found,
            known: FORMAT,
        });
    }
    Ok(())
}

fn refuse_foreign(state: &StoreState, disk: &Disk) -> Result<(), StartError> {
    match disk.served() {
        // A copy of before the store had an id is of any store.
        Some((of, _)) if state.id().is_some_and(|id| id != of) => Err(StartError::OtherStore {
            path: disk.path().to_owned(),
            of,
        }),
        _ => Ok(()),
    }
}

fn survey(
    disks: &BTreeMap<DiskNumber, Arc<Disk>>,
    recorded: &BTreeMap<VolumeId, Recorded>,
) -> Result<Survey, StartError> {
    let mut survey = Survey::default();
    let mut unknown = std::collections::BTreeSet::new();
    for (&number, disk) in disks {
        let failed = || disk_error(disk.path());
        let mut found = BTreeMap::new();
        for volume in disk.scan().map_err(failed())? {
            found.insert(volume.volume, volume.extents);
        }
        for (&volume, extents) in &found {
            let placed = recorded
                .get(&volume)
                .map(|known| known.placements.on(number));
            if placed.is_none() {
                unknown.insert(volume);
            }
            let placed = placed.unwrap_or_default();
            for &file in extents {
                survey.alloc = survey.alloc.max(file.alloc.0);
                let orphan = !placed.contains(&file);
                if orphan && disk.holds_anything(volume, file).map_err(failed())? {
                    survey.loss.unrecorded += 1;
                }
            }
            survey.last_volume = survey.last_volume.max(volume.0);
            let state = disk.recover(volume, []).map_err(failed())?;
            if let Slots::Newest(promise) = state.promise {
                let highest = survey.promised.entry(volume).or_default();
                *highest = promise.epoch.0.max(*highest);
            }
        }
        for (volume, known) in recorded {
            let held = found.get(volume);
            let placed = known.placements.on(number);
            let missing = placed
                .iter()
                .filter(|&file| held.is_none_or(|held| !held.contains(file)));
            survey.loss.missing += missing.count() as u64;
        }
    }
    survey.loss.volumes = unknown.len() as u64;
    Ok(survey)
}

/// How many revisions the store in place is ahead of the copy, if it is the same store.
async fn revisions_of(location: &Location, copy: &dyn MetaStore) -> Option<u64> {
    // Opening it would make one.
    if location.file().is_some_and(|path| !path.exists()) {
        return None;
    }
    let store = volumed_meta::open(location).await.ok()?;
    let (this, that) = (
        StoreState::read(&*store).await.ok()?,
        StoreState::read(copy).await.ok()?,
    );
    if this.id() != that.id() {
        return None;
    }
    let (newest, copied) = (store.revision().await.ok()?, copy.revision().await.ok()?);
    Some((newest + this.base).saturating_sub(copied + that.base))
}

/// Raises what must not be lower than on the disks: the store's generation, its base (so that a new
/// alloc is newer than every file's), the last volume's id, and the volumes' epochs.
async fn go_on_after(
    store: &dyn MetaStore,
    state: &StoreState,
    survey: &Survey,
    recorded: &BTreeMap<VolumeId, Recorded>,
) -> Result<(), StartError> {
    let revision = store.revision().await?;
    let needed = (survey.alloc + BEYOND_REMOVALS).saturating_sub(revision);
    let mut numbers = vec![
        (STORE_GENERATION, state.generation().max(survey.generation)),
        (STORE_BASE, state.base.max(needed)),
    ];
    let counter = store.get(VOLUME_COUNTER).await?;
    let given = counter.as_ref().map_or(Ok(0), parse::<u64>)?;
    if survey.last_volume > given {
        numbers.push((VOLUME_COUNTER, survey.last_volume));
    }
    for (key, number) in numbers {
        put(store, key.to_vec(), number.to_string().into_bytes()).await?;
    }
    for (volume, known) in recorded {
        let promised = survey.promised.get(volume).copied().unwrap_or(0);
        let mut record = known.record.clone();
        record.epoch = record.epoch.max(promised);
        // V9: the token of the copy is not that of what was written since.
        record.token = None;
        if record.replicas > 1 {
            // V7: a disk of another incarnation may have got all that was written since, and one of the same nothing.
            record.in_sync.clear();
        }
        if record != known.record {
            put(store, volume_key(*volume), encode(&record)).await?;
        }
        // V4: what was noted since the copy was made is of another time.
        for &disk in known.placements.fell_behind.keys() {
            let stale = StaleRecord {
                version: VERSION,
                epoch: known.record.epoch,
                since: None,
            };
            put(store, stale_key(*volume, disk), encode(&stale)).await?;
        }
    }
    Ok(())
}

/// Nobody else has the copy.
async fn put(store: &dyn MetaStore, key: Vec<u8>, value: Vec<u8>) -> Result<(), StartError> {
    let none: Vec<Compare> = Vec::new();
    let outcome = store.transact(none, vec![Change::Put(key, value)]).await?;
    debug_assert!(matches!(outcome, Outcome::Committed(_)));
    Ok(())
}
