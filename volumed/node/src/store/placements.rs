//! The placement pages of a volume in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use volumed_core::format::{EXTENTS_PER_PAGE, PlacementPage};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};
use volumed_core::{Alloc, DiskNumber, ExtentIndex, LostBlocks, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome};

use crate::error::{PlacementsError, RecordError, ShowVolumeError, StartError};
use crate::store::lost::{self, Lost};
use crate::store::records::{
    EXTENTS, LOST, STALE, StaleRecord, decode, extents_prefix, last_part, lost_key, lost_prefix,
    page_key, read_all, stale_prefix, unreadable, volume_key, volume_of_part,
};

/// How long to wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Of so many lost extents the records can be removed with a page, in one transaction.
pub(crate) const MOST_LOST: usize = 100;

/// The pages of a volume, as one head may change them.
pub(crate) struct Pages<'a> {
    pub store: &'a dyn MetaStore,
    pub volume: VolumeId,
    /// V1: in a cluster, what holds as long as no other node's head serves. Whatever an earlier head is late with
    /// must not change what a later one has read.
    pub head: Option<Compare>,
}

/// Where a volume is.
#[derive(Debug, Default)]
pub(crate) struct Placements {
    /// Every placed extent.
    pub placed: BTreeMap<ExtentIndex, Placement>,
    /// What was lost with disks that left the pool.
    pub lost: Lost,
    /// Disks that may lack what was acknowledged (V4).
    pub stale: BTreeSet<DiskNumber>,
    /// When those of them fell behind that lack no more than what changed since.
    pub fell_behind: BTreeMap<DiskNumber, Alloc>,
}

impl Placements {
    /// Takes out every copy that was under way; answers of which extents.
    pub fn forget_copies(&mut self) -> Vec<ExtentFile> {
        let mut forgotten = Vec::new();
        for (&extent, placed) in &mut self.placed {
            if !placed.replicas.iter().all(|it| is_full(it.1)) {
                placed.replicas.retain(|it| is_full(it.1));
                let alloc = placed.alloc;
                forgotten.push(ExtentFile { extent, alloc });
            }
        }
        forgotten
    }

    /// Of the replicas of each extent, those on near disks become the first.
    pub fn nearest_first(&mut self, is_near: impl Fn(DiskNumber) -> bool) {
        for placed in self.placed.values_mut() {
            placed.replicas.sort_by_key(|(disk, _)| !is_near(*disk));
        }
    }

    /// Some disks left the pool, and what is on none but them is lost.
    pub fn lose(&mut self, removed: &BTreeSet<DiskNumber>) {
        for (&extent, placed) in &mut self.placed {
            let left =
                |(disk, role): &(DiskNumber, Role)| is_full(*role) && !removed.contains(disk);
            if !placed.replicas.iter().any(left) {
                placed.replicas.clear();
                self.lost.insert(extent, LostBlocks::all());
            }
        }
    }

    fn take_page(&mut self, entry: &Entry) -> Result<(), RecordError> {
        let number = u64::from_str_radix(last_part(&entry.key), 16)
            .map_err(|error| unreadable(&entry.key, error))?;
        let page = decode_page(entry)?;
        let placed = page.extents.into_iter().map(|(index, placement)| {
            let extent = ExtentIndex(number * EXTENTS_PER_PAGE + u64::from(index));
            (extent, placement)
        });
        self.placed.extend(placed);
        Ok(())
    }

    fn take_lost(&mut self, entry: &Entry) -> Result<(), RecordError> {
        let (extent, blocks) = lost::read(entry)?;
        self.lost.insert(extent, blocks);
        Ok(())
    }

    fn take_stale(&mut self, entry: &Entry) -> Result<(), RecordError> {
        let stale: StaleRecord = decode(entry)?;
        let number = last_part(&entry.key).parse();
        let number = DiskNumber(number.map_err(|error| unreadable(&entry.key, error))?);
        self.stale.insert(number);
        let since = stale.since.map(|since| (number, Alloc(since)));
        self.fell_behind.extend(since);
        Ok(())
    }

    /// What is placed on a disk.
    pub fn on(&self, disk: DiskNumber) -> BTreeSet<ExtentFile> {
        let here = self.placed.iter().filter(|(_, placed)| placed.is_on(disk));
        here.map(|(&extent, placed)| ExtentFile {
            extent,
            alloc: placed.alloc,
        })
        .collect()
    }
}

/// Where a volume is.
pub(crate) async fn load(
    store: &dyn MetaStore,
    volume: VolumeId,
) -> Result<Placements, PlacementsError> {
    let mut all = Placements::default();
    for entry in read_all(store, &extents_prefix(volume)).await? {
        all.take_page(&entry)?;
    }
    for entry in read_all(store, &lost_prefix(volume)).await? {
        all.take_lost(&entry)?;
    }
    for entry in read_all(store, &stale_prefix(volume)).await? {
        all.take_stale(&entry)?;
    }
    Ok(all)
}

type Take = fn(&mut Placements, &Entry) -> Result<(), RecordError>;

/// Where all volumes are; those of which nothing is placed, lost or stale are not among them.
pub(crate) async fn load_all(
    store: &dyn MetaStore,
) -> Result<BTreeMap<VolumeId, Placements>, StartError> {
    let mut all: BTreeMap<VolumeId, Placements> = BTreeMap::new();
    let kinds: [(&[u8], Take); 3] = [
        (EXTENTS, Placements::take_page),
        (LOST, Placements::take_lost),
        (STALE, Placements::take_stale),
    ];
    for (prefix, take) in kinds {
        for entry in read_all(store, prefix).await? {
            take(all.entry(volume_of_part(&entry.key)?).or_default(), &entry)?;
        }
    }
    Ok(all)
}

/// Shows every placed extent of the volumes whose pages have keys that begin like this.
pub(crate) async fn for_each_placement(
    store: &dyn MetaStore,
    prefix: &[u8],
    mut show: impl FnMut(VolumeId, &Placement),
) -> Result<(), ShowVolumeError> {
    for entry in read_all(store, prefix).await? {
        let volume = volume_of_part(&entry.key)?;
        for placed in decode_page(&entry)?.extents.values() {
            show(volume, placed);
        }
    }
    Ok(())
}

/// Notes new extents, page by page; those that were lost take the place of what is noted of them, and all
/// their blocks stay lost.
pub(crate) async fn add(
    pages: &Pages<'_>,
    new: &BTreeMap<ExtentIndex, Placement>,
    lost: &BTreeSet<ExtentIndex>,
) -> Result<(), PlacementsError> {
    let mut by_page: BTreeMap<u64, Vec<(u16, &Placement)>> = BTreeMap::new();
    for (&extent, placement) in new {
        let (page, index) = PlacementPage::locate(extent);
        by_page.entry(page).or_default().push((index, placement));
    }
    for (number, placements) in by_page {
        let of_page = |extent: &&ExtentIndex| PlacementPage::locate(**extent).0 == number;
        let lost = lost.iter().filter(of_page);
        let lost: Vec<_> = lost
            .map(|&extent| lost::note(pages.volume, extent, &LostBlocks::all()))
            .collect();
        change(pages, number, &lost, |page| {
            for (index, placement) in &placements {
                page.extents.insert(*index, (*placement).clone());
            }
        })
        .await?;
    }
    Ok(())
}

/// Removes extents that share a page, those of them that are still the ones that were placed then, and
/// what is noted to be `lost` of them: of at most [`MOST_LOST`].
pub(crate) async fn remove(
    pages: &Pages<'_>,
    files: &[ExtentFile],
    lost: &BTreeSet<ExtentIndex>,
) -> Result<(), PlacementsError> {
    let located = |file: &ExtentFile| PlacementPage::locate(file.extent);
    let Some((number, _)) = files.first().map(located) else {
        return Ok(());
    };
    debug_assert!(files.iter().all(|file| located(file).0 == number));
    let forget = |&extent: &ExtentIndex| Change::Delete(lost_key(pages.volume, extent));
    let forget: Vec<_> = lost.iter().map(forget).collect();
    change(pages, number, &forget, |page| {
        for file in files {
            let (_, index) = located(file);
            let placed = page.extents.get(&index);
            if placed.is_some_and(|placement| placement.alloc == file.alloc) {
                page.extents.remove(&index);
            }
        }
    })
    .await?;
    Ok(())
}

/// Changes where an extent is, if it is still the one that was placed then; answers where it is now.
pub(crate) async fn edit(
    pages: &Pages<'_>,
    file: ExtentFile,
    edit: impl Fn(&mut Vec<(DiskNumber, Role)>),
) -> Result<Option<Placement>, PlacementsError> {
    let (number, index) = PlacementPage::locate(file.extent);
    let same = |placement: &Placement| placement.alloc == file.alloc;
    let mut page = change(pages, number, &[], |page| {
        let placement = page.extents.get_mut(&index);
        if let Some(placement) = placement.filter(|placement| same(placement)) {
            edit(&mut placement.replicas);
        }
    })
    .await?;
    Ok(page.extents.remove(&index).filter(same))
}

/// Forgets every copy of an extent that was under way; their files are orphans from then on.
pub(crate) async fn forget_copies(
    pages: &Pages<'_>,
    file: ExtentFile,
) -> Result<(), PlacementsError> {
    edit(pages, file, |on| on.retain(|it| is_full(it.1))).await?;
    Ok(())
}

fn is_full(role: Role) -> bool {
    role == Role::Full
}

/// Reads, changes and writes a page, and other values `with` it, until nobody came between;
/// answers the page as it is now.
async fn change(
    pages: &Pages<'_>,
    number: u64,
    with: &[Change],
    edit: impl Fn(&mut PlacementPage),
) -> Result<PlacementPage, PlacementsError> {
    let Pages {
        store,
        volume,
        head,
    } = pages;
    let key = page_key(*volume, number);
    loop {
        let entry = store.get(&key).await?;
        let (before, same) = match &entry {
            Some(entry) => (
                decode_page(entry)?,
                Compare::Unchanged(key.clone(), entry.modified),
            ),
            None => (PlacementPage::default(), Compare::Absent(key.clone())),
        };
        let mut page = before.clone();
        edit(&mut page);
        if page == before {
            return Ok(page);
        }
        let write = if page.extents.is_empty() {
            Change::Delete(key.clone())
        } else {
            let bytes = page.encode().map_err(|error| unreadable(&key, error))?;
            Change::Put(key.clone(), bytes)
        };
        let exists = Compare::Present(volume_key(*volume));
        let conditions = [exists, same].into_iter().chain(head.clone());
        let changes = with.iter().cloned().chain([write]).collect();
        if let Outcome::Committed(_) = store.transact(conditions.collect(), changes).await? {
            return Ok(page);
        }
        if store.get(&volume_key(*volume)).await?.is_none() {
            return Err(PlacementsError::Gone);
        }
        if let Some(head) = head
            && let Outcome::Refused = store.transact(vec![head.clone()], Vec::new()).await?
        {
            return Err(PlacementsError::Overtaken);
        }
    }
}

fn decode_page(entry: &Entry) -> Result<PlacementPage, RecordError> {
    PlacementPage::decode(&entry.value).map_err(|error| unreadable(&entry.key, error))
}

/// Tries until the store answers: whether a change whose answer was lost took place is unknown (V4).
pub(crate) async fn until_told<T, F: Future<Output = Result<T, PlacementsError>>>(
    volume: VolumeId,
    change: impl Fn() -> F,
) -> Result<T, PlacementsError> {
    loop {
        match change().await {
            Err(PlacementsError::Store(error)) => {
                tracing::warn!(%volume, %error, "a change of an extent cannot be recorded yet");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                tracing::error!(%volume, %error, "a change of an extent cannot be recorded");
                return Err(error);
            }
            done => return done,
        }
    }
}
