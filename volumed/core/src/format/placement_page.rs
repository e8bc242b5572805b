//! The record `extents/<volume>/<page>`: where the placed extents among 1,024 neighbours are.
//!
//! Sealed with magic `HYPP`, version 1; the body: base u64 (the lowest alloc), the number of replica
//! sets u16, each set (the number of its replicas u8, then for each the disk u16 and its state u8: 0
//! in sync, 1 stale), then 8 bytes for each placed extent, ascending: bits 0..10 its index in the
//! page, 10..24 its set, 24..64 its alloc less the base.

use std::collections::BTreeMap;

use super::{FormatError, Kind, Reader};
use crate::placement::{Placement, ReplicaState};
use crate::{Alloc, DiskNumber, ExtentIndex};

/// Extents that share a page: 64 GiB of volume.
pub const EXTENTS_PER_PAGE: u64 = 1024;

const KIND: Kind = Kind {
    magic: *b"HYPP",
    version: 1,
};
const ALLOC_BITS: u32 = 40;

/// The placed extents of one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlacementPage {
    /// By the extent's index in the page, 0 to 1,023.
    pub extents: BTreeMap<u16, Placement>,
}

/// The page cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Two allocs are 2^40 apart.
    #[error("extents that share a placement page were placed 2^40 revisions apart")]
    AllocsTooFarApart,
    /// The index is not one of a page, or a placement has more than 255 replicas.
    #[error("the placement does not fit a page")]
    Unfit,
}

impl PlacementPage {
    /// The page that an extent is on, and its index there.
    pub fn locate(extent: ExtentIndex) -> (u64, u16) {
        (
            extent.0 / EXTENTS_PER_PAGE,
            (extent.0 % EXTENTS_PER_PAGE) as u16,
        )
    }

    /// The page's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, PageError> {
        let base = self
            .extents
            .values()
            .map(|placement| placement.alloc.0)
            .min()
            .unwrap_or(0);
        let mut sets: BTreeMap<&[(DiskNumber, ReplicaState)], u64> = BTreeMap::new();
        let mut order = Vec::new();
        let mut words = Vec::with_capacity(self.extents.len());
        for (&index, placement) in &self.extents {
            let alloc = placement.alloc.0 - base;
            if u64::from(index) >= EXTENTS_PER_PAGE || placement.replicas.len() > 255 {
                return Err(PageError::Unfit);
            }
            if alloc >> ALLOC_BITS != 0 {
                return Err(PageError::AllocsTooFarApart);
            }
            let set = *sets.entry(&placement.replicas).or_insert_with(|| {
                order.push(&placement.replicas);
                order.len() as u64 - 1
            });
            words.push(u64::from(index) | set << 10 | alloc << 24);
        }
        let mut body = Vec::with_capacity(10 + 8 * words.len());
        body.extend_from_slice(&base.to_le_bytes());
        body.extend_from_slice(&(order.len() as u16).to_le_bytes());
        for set in order {
            body.push(set.len() as u8);
            for (disk, state) in set {
                body.extend_from_slice(&disk.0.to_le_bytes());
                body.push(u8::from(*state == ReplicaState::Stale));
            }
        }
        body.extend(words.into_iter().flat_map(u64::to_le_bytes));
        Ok(KIND.seal(&body))
    }

    /// Reads a page.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (mut body, rest) = KIND.open(bytes)?;
        if !rest.is_empty() {
            return Err(FormatError::Damaged);
        }
        let base = body.u64()?;
        let sets: Vec<_> = (0..body.u16()?)
            .map(|_| read_set(&mut body))
            .collect::<Result<_, _>>()?;
        let mut extents = BTreeMap::new();
        while !body.0.is_empty() {
            let word = body.u64()?;
            let index = (word & 0x3ff) as u16;
            let set = sets
                .get((word >> 10 & 0x3fff) as usize)
                .ok_or(FormatError::Damaged)?;
            let alloc = base.checked_add(word >> 24).ok_or(FormatError::Damaged)?;
            if extents
                .last_key_value()
                .is_some_and(|(&last, _)| last >= index)
            {
                return Err(FormatError::Damaged);
            }
            extents.insert(
                index,
                Placement {
                    alloc: Alloc(alloc),
                    replicas: set.clone(),
                },
            );
        }
        Ok(Self { extents })
    }
}

fn read_set(body: &mut Reader<'_>) -> Result<Vec<(DiskNumber, ReplicaState)>, FormatError> {
    (0..body.u8()?)
        .map(|_| {
            let disk = DiskNumber(body.u16()?);
            match body.u8()? {
                0 => Ok((disk, ReplicaState::InSync)),
                1 => Ok((disk, ReplicaState::Stale)),
                _ => Err(FormatError::Damaged),
            }
        })
        .collect()
}
