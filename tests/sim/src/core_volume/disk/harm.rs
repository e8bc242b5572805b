//! What goes wrong with a simulated disk.

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom as _;
use volumed_core::format::SlotRecord;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskFault, DiskOp, DiskResult, RegionSums};
use volumed_core::{BLOCK_SIZE, ExtentIndex};

use super::super::Lie;
use super::super::extent::{blocks, region_of};
use super::super::weather::Strike;
use super::SimDisk;

impl SimDisk {
    /// An operation does not go well.
    pub fn strike(&mut self, op: &DiskOp, strike: Strike, rng: &mut SmallRng) -> DiskResult {
        if self.failed {
            return Err(DiskFault::Sync);
        }
        match strike {
            Strike::Refused(fault) => Err(fault),
            Strike::HalfWay(fault) => {
                self.half_way(op, rng)?;
                Err(fault)
            }
            Strike::FailedSync => {
                self.half_way(op, rng)?;
                for file in files(op) {
                    if let Some(extent) = self.extents.get_mut(&file) {
                        extent.fail_sync(rng);
                    }
                }
                if self.broken.is(Lie::SyncRetried) {
                    return self.apply(op);
                }
                self.failed = true;
                Err(DiskFault::Sync)
            }
        }
    }

    pub fn failed(&self) -> bool {
        self.failed
    }

    /// The daemon is started anew.
    pub fn restart(&mut self) {
        self.incarnation.0 += u64::from(self.failed);
        self.failed = false;
    }

    /// Some of what an operation changes is changed, in the page cache at most; a record that has a
    /// slot of its own is torn.
    fn half_way(&mut self, op: &DiskOp, rng: &mut SmallRng) -> Result<(), DiskFault> {
        match op {
            DiskOp::WriteLog(record) if !self.broken.is(Lie::MarksSkipped) => {
                let slot = &mut self.log[(record.sequence % 2) as usize];
                tear_slot(slot, &record.encode(), rng);
            }
            DiskOp::WriteMissed(record) => {
                let slot = &mut self.missed[(record.sequence % 2) as usize];
                tear_slot(slot, &record.encode(), rng);
            }
            DiskOp::WritePromise(record) => {
                let slot = &mut self.promise[(record.sequence % 2) as usize];
                tear_slot(slot, &record.encode(), rng);
            }
            DiskOp::Write {
                file,
                offset,
                data,
                first,
                last,
                ..
            } => {
                let checked = !self.broken.is(Lie::MergeUnchecked);
                let extent = self.extent(file)?;
                let merged = extent.merged(*offset, data, (*first, *last), checked)?;
                extent.write_half(*offset, &blocks(&merged), rng);
            }
            DiskOp::Zero {
                file,
                offset,
                length,
                ..
            } => {
                let zeroes = vec![None; *length as usize / BLOCK_SIZE as usize];
                self.extent(file)?.write_half(*offset, &zeroes, rng);
            }
            DiskOp::Store {
                file,
                offset,
                chunk,
            } => {
                let extent = self.extent(file)?;
                for (at, run) in chunk.runs() {
                    let offset = offset + at * BLOCK_SIZE as u32;
                    extent.write_half(offset, &blocks(&run), rng);
                }
            }
            DiskOp::Replace {
                file,
                offset,
                chunk,
            } => {
                let extent = self.extent(file)?;
                for (at, count) in chunk.holes() {
                    let offset = offset + at * BLOCK_SIZE as u32;
                    extent.write_half(offset, &vec![None; count as usize], rng);
                }
                for (at, run) in chunk.runs() {
                    let offset = offset + at * BLOCK_SIZE as u32;
                    extent.write_half(offset, &blocks(&run), rng);
                }
            }
            DiskOp::StoreSums { pages } | DiskOp::Settle { pages, .. } => {
                for RegionSums { file, region, page } in pages {
                    if let Some(extent) = self.extents.get_mut(file) {
                        extent.store_sums(*region, page, Some(rng));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The power goes while `under_way` is being carried out.
    pub fn cut_power(&mut self, under_way: &[DiskOp], rng: &mut SmallRng) {
        self.incarnation.0 += 1;
        for op in under_way {
            match (rng.random_range(0..10), in_the_cache(op)) {
                (0..3, _) => {}
                // Nobody got its answer.
                (3..7, Some(op)) => {
                    let _ = self.apply(&op);
                }
                _ => {
                    let _ = self.half_way(op, rng);
                }
            }
        }
        for extent in self.extents.values_mut() {
            extent.cut(rng);
        }
    }

    /// Neither slot of the dirty log can be read.
    pub fn damage_log(&mut self) {
        if self.log.iter().any(|slot| !slot.is_empty()) {
            self.log = [vec![7; 600], vec![7; 600]];
        }
    }

    /// The files of an extent are gone.
    pub fn lose_a_file(&mut self, rng: &mut SmallRng) {
        let file = self.extents.keys().copied().choose(rng);
        file.map(|file| self.extents.remove(&file));
    }

    /// A block of a clean region rots; answers which.
    pub fn rot(&mut self, rng: &mut SmallRng) -> Option<(ExtentIndex, u32)> {
        let logged = self.logged()?;
        let files: Vec<ExtentFile> = self.extents.keys().copied().collect();
        let file = *files.get(rng.random_range(0..files.len().max(1)))?;
        let extent = self.extents.get_mut(&file)?;
        let clean = |block: &u32| !logged.contains(&region_of(file.extent, *block));
        let blocks: Vec<u32> = extent.data.keys().copied().filter(clean).collect();
        let block = *blocks.get(rng.random_range(0..blocks.len().max(1)))?;
        extent.rot(block, rng).then_some((file.extent, block))
    }
}

/// The files that an operation syncs.
fn files(op: &DiskOp) -> Vec<ExtentFile> {
    match op {
        DiskOp::Sync { files } => files.clone(),
        DiskOp::Settle { files, .. } => files.iter().map(|(file, _)| *file).collect(),
        DiskOp::Write { file, .. }
        | DiskOp::Zero { file, .. }
        | DiskOp::Store { file, .. }
        | DiskOp::Resum { file, .. } => {
            vec![*file]
        }
        _ => Vec::new(),
    }
}

/// A write of which nothing is durable yet.
fn in_the_cache(op: &DiskOp) -> Option<DiskOp> {
    let mut op = op.clone();
    match &mut op {
        DiskOp::Write { durable, .. } | DiskOp::Zero { durable, .. } => *durable = false,
        DiskOp::Store { .. } | DiskOp::StoreSums { .. } => {}
        _ => return None,
    }
    Some(op)
}

fn tear_slot(slot: &mut Vec<u8>, new: &[u8], rng: &mut SmallRng) {
    let arrived = rng.random_range(0..=new.len());
    slot.resize(slot.len().max(new.len()), 0);
    slot[..arrived].copy_from_slice(&new[..arrived]);
}
