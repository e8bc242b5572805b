//! The record `extents/<volume>/<page>`: where the placed extents among 1,024 neighbours are.
//!
//! Sealed with magic `HYPP`, version 2; the body: base u64 (the lowest alloc), the number of replica
//! sets u16, each set (the number of its replicas u8, then for each the disk u16 and its role u8: 0
//! full, 1 incoming), then the placed extents as runs of neighbours of one set and one alloc,
//! ascending, a u64 each: bits 0..10 the first one's index in the page, 10..14 how many follow it,
//! 14..24 the set, 24..64 the alloc less the base.
//!
//! Version 1 had a word for each extent, its set in bits 10..24, and in place of the role whether a
//! replica was in sync (0), which it always was.

use std::collections::BTreeMap;

use super::{FormatError, Kind, Opened, Reader};
use crate::placement::{Placement, Role};
use crate::{Alloc, DiskNumber, ExtentIndex};

/// Extents that share a page: 64 GiB of volume.
pub const EXTENTS_PER_PAGE: u64 = 1024;

const KIND: Kind = Kind {
    magic: *b"HYPP",
    version: 2,
};

/// The extents of the longest run.
const LONGEST_RUN: u64 = 16;

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

/// Neighbours of one set and one alloc.
struct Run {
    first: u64,
    /// How many extents follow the first.
    more: u64,
    set: u64,
    /// Less the base.
    alloc: u64,
}

impl Run {
    /// Takes the extent in as the next one, if it is.
    fn take(&mut self, index: u64, set: u64, alloc: u64) -> bool {
        let next = self.first + self.more + 1 == index && self.more + 1 < LONGEST_RUN;
        let taken = next && (self.set, self.alloc) == (set, alloc);
        self.more += u64::from(taken);
        taken
    }

    fn word(&self) -> u64 {
        self.first | self.more << 10 | self.set << 14 | self.alloc << 24
    }

    fn read(word: u64, version: u16) -> Self {
        let bits = |from: u32, to: u32| word >> from & ((1 << (to - from)) - 1);
        let (more, set) = match version {
            1 => (0, bits(10, 24)),
            _ => (bits(10, 14), bits(14, 24)),
        };
        Self {
            first: bits(0, 10),
            more,
            set,
            alloc: word >> 24,
        }
    }
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
        let allocs = self.extents.values().map(|placement| placement.alloc.0);
        let base = allocs.min().unwrap_or(0);
        let mut numbers: BTreeMap<&[(DiskNumber, Role)], u64> = BTreeMap::new();
        let mut sets = Vec::new();
        let mut runs: Vec<Run> = Vec::new();
        for (&index, placement) in &self.extents {
            let (first, alloc) = (u64::from(index), placement.alloc.0 - base);
            if first >= EXTENTS_PER_PAGE || placement.replicas.len() > 255 {
                return Err(PageError::Unfit);
            }
            if alloc >> ALLOC_BITS != 0 {
                return Err(PageError::AllocsTooFarApart);
            }
            // A page has no more sets than extents, so their numbers fit into 10 bits.
            let set = *numbers.entry(&placement.replicas).or_insert_with(|| {
                sets.push(&placement.replicas);
                sets.len() as u64 - 1
            });
            if !runs
                .last_mut()
                .is_some_and(|run| run.take(first, set, alloc))
            {
                runs.push(Run {
                    first,
                    more: 0,
                    set,
                    alloc,
                });
            }
        }
        let mut body = Vec::with_capacity(10 + 8 * runs.len());
        body.extend_from_slice(&base.to_le_bytes());
        body.extend_from_slice(&(sets.len() as u16).to_le_bytes());
        for set in sets {
            body.push(set.len() as u8);
            for (disk, role) in set {
                body.extend_from_slice(&disk.0.to_le_bytes());
                body.push(u8::from(*role == Role::Incoming));
            }
        }
        body.extend(runs.iter().map(Run::word).flat_map(u64::to_le_bytes));
        Ok(KIND.seal(&body))
    }

    /// Reads a page.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let Opened {
            version,
            mut body,
            rest,
        } = KIND.open(bytes)?;
        if !rest.is_empty() {
            return Err(FormatError::Damaged);
        }
        let base = body.u64()?;
        let sets: Vec<_> = (0..body.u16()?)
            .map(|_| read_set(&mut body, version))
            .collect::<Result<_, _>>()?;
        let mut extents = BTreeMap::new();
        let mut end = 0;
        while !body.0.is_empty() {
            let run = Run::read(body.u64()?, version);
            let set = sets.get(run.set as usize).ok_or(FormatError::Damaged)?;
            let alloc = base.checked_add(run.alloc).ok_or(FormatError::Damaged)?;
            if run.first < end || run.first + run.more >= EXTENTS_PER_PAGE {
                return Err(FormatError::Damaged);
            }
            end = run.first + run.more + 1;
            for index in run.first..end {
                let placement = Placement {
                    alloc: Alloc(alloc),
                    replicas: set.clone(),
                };
                extents.insert(index as u16, placement);
            }
        }
        Ok(Self { extents })
    }
}

fn read_set(body: &mut Reader<'_>, version: u16) -> Result<Vec<(DiskNumber, Role)>, FormatError> {
    (0..body.u8()?)
        .map(|_| {
            let disk = DiskNumber(body.u16()?);
            match body.u8()? {
                0 => Ok((disk, Role::Full)),
                1 if version > 1 => Ok((disk, Role::Incoming)),
                _ => Err(FormatError::Damaged),
            }
        })
        .collect()
}
