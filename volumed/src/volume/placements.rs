//! The placement pages of a volume in the store.

use std::collections::BTreeMap;

use volumed_core::format::{EXTENTS_PER_PAGE, PlacementPage};
use volumed_core::placement::Placement;
use volumed_core::{Alloc, ExtentIndex, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome, StoreError};

use super::error::RecordError;
use super::records::{extents_prefix, last_part, page_key, read_all, unreadable, volume_key};

/// Why placements were not read or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlacementsError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The volume was deleted.
    #[error("the volume is gone")]
    Gone,
}

/// Where every placed extent of a volume is.
pub(super) async fn load(
    store: &dyn MetaStore,
    volume: VolumeId,
) -> Result<BTreeMap<ExtentIndex, Placement>, PlacementsError> {
    let mut placed = BTreeMap::new();
    for entry in read_all(store, &extents_prefix(volume)).await? {
        let number = u64::from_str_radix(last_part(&entry.key), 16)
            .map_err(|error| unreadable(&entry.key, error))?;
        let page = decode(&entry)?;
        placed.extend(page.extents.into_iter().map(|(index, placement)| {
            (
                ExtentIndex(number * EXTENTS_PER_PAGE + u64::from(index)),
                placement,
            )
        }));
    }
    Ok(placed)
}

/// Notes new extents, page by page; answers those that are noted.
pub(super) async fn add(
    store: &dyn MetaStore,
    volume: VolumeId,
    new: &BTreeMap<ExtentIndex, Placement>,
) -> Result<(), PlacementsError> {
    let mut pages: BTreeMap<u64, Vec<(u16, &Placement)>> = BTreeMap::new();
    for (&extent, placement) in new {
        let (page, index) = PlacementPage::locate(extent);
        pages.entry(page).or_default().push((index, placement));
    }
    for (number, placements) in pages {
        change(store, volume, number, |page| {
            for (index, placement) in &placements {
                page.extents.insert(*index, (*placement).clone());
            }
        })
        .await?;
    }
    Ok(())
}

/// Removes an extent if it is still the one that was placed then.
pub(super) async fn remove(
    store: &dyn MetaStore,
    volume: VolumeId,
    extent: ExtentIndex,
    alloc: Alloc,
) -> Result<(), PlacementsError> {
    let (number, index) = PlacementPage::locate(extent);
    change(store, volume, number, |page| {
        if page
            .extents
            .get(&index)
            .is_some_and(|placement| placement.alloc == alloc)
        {
            page.extents.remove(&index);
        }
    })
    .await
}

/// Reads, changes and writes a page until nobody came between.
async fn change(
    store: &dyn MetaStore,
    volume: VolumeId,
    number: u64,
    edit: impl Fn(&mut PlacementPage),
) -> Result<(), PlacementsError> {
    let key = page_key(volume, number);
    loop {
        let entry = store.get(&key).await?;
        let (before, same) = match &entry {
            Some(entry) => (
                decode(entry)?,
                Compare::Unchanged(key.clone(), entry.modified),
            ),
            None => (PlacementPage::default(), Compare::Absent(key.clone())),
        };
        let mut page = before.clone();
        edit(&mut page);
        if page == before {
            return Ok(());
        }
        let write = if page.extents.is_empty() {
            Change::Delete(key.clone())
        } else {
            let bytes = page.encode().map_err(|error| unreadable(&key, error))?;
            Change::Put(key.clone(), bytes)
        };
        let exists = Compare::Present(volume_key(volume));
        if let Outcome::Committed(_) = store.transact(vec![exists, same], vec![write]).await? {
            return Ok(());
        }
        if store.get(&volume_key(volume)).await?.is_none() {
            return Err(PlacementsError::Gone);
        }
    }
}

fn decode(entry: &Entry) -> Result<PlacementPage, RecordError> {
    PlacementPage::decode(&entry.value).map_err(|error| unreadable(&entry.key, error))
}
