//! What must hold after every event, whatever is on its way. A check looks at what the event may
//! have changed.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use volumed_core::head::{Head, RequestId};
use volumed_core::map::runs;
use volumed_core::message::{Answer, ExtentFile};
use volumed_core::replica::{DiskAnswer, DiskFault, DiskOp, DiskResult};
use volumed_core::{
    BLOCK_SIZE, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, IoError, REGION_SIZE,
    REGIONS_PER_EXTENT, RegionIndex,
};

use super::super::extent::{Block, region_of};
use super::super::model::{SECTOR, Stamp};
use super::super::requests::{is_in, sectors};
use super::{Checked, MAX_DIRTY, World};

const SECTORS_PER_BLOCK: u64 = BLOCK_SIZE / SECTOR;

/// What went wrong since everything was quiet: an error that none of it explains is a defect.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    pub exhausted: bool,
    pub full: bool,
    pub io: bool,
}

impl Troubles {
    pub fn any(&self) -> bool {
        self.exhausted || self.full || self.io
    }

    pub fn excuse(&self, error: IoError) -> bool {
        match error {
            IoError::Exhausted => self.exhausted,
            IoError::NoSpace => self.full,
            IoError::Io => self.io,
            IoError::Invalid | IoError::Gone | IoError::Lost => false,
        }
    }
}

/// What a replica has heard of its disk.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// A sync failed.
    failed: bool,
    /// The newest epoch that was acknowledged.
    epoch: Epoch,
    /// Regions whose sums do not count.
    unsummed: BTreeSet<(ExtentFile, RegionIndex)>,
    /// Regions that once could not be summed anew: they stay marked until they are cleaned again.
    left: BTreeSet<RegionIndex>,
}

impl Told {
    /// Of a disk whose log names these regions, or all.
    pub fn at_start(logged: Option<&BTreeSet<RegionIndex>>, files: &BTreeSet<ExtentFile>) -> Self {
        let regions = |file: &ExtentFile| {
            let first = file.extent.0 * REGIONS_PER_EXTENT;
            let of_file = *file;
            (first..first + REGIONS_PER_EXTENT).map(move |region| (of_file, RegionIndex(region)))
        };
        let named = |(_, region): &(_, RegionIndex)| logged.is_none_or(|l| l.contains(region));
        Self {
            unsummed: files.iter().flat_map(regions).filter(named).collect(),
            ..Self::default()
        }
    }

    pub fn hear(&mut self, op: &DiskOp, result: &DiskResult) {
        self.failed |= *result == Err(DiskFault::Sync);
        match (op, result) {
            (DiskOp::Resum { file, region, .. }, Ok(_)) => {
                self.unsummed.remove(&(*file, *region));
            }
            (DiskOp::Resum { region, .. }, Err(_)) => {
                self.left.insert(*region);
            }
            (
                DiskOp::Write { .. } | DiskOp::Zero { .. },
                Err(DiskFault::Io | DiskFault::NoSpace),
            ) => {
                let touched = touched(op).into_iter();
                let regions = touched.flat_map(|(file, blocks)| {
                    blocks.map(move |block| (file, region_of(file.extent, block)))
                });
                self.unsummed.extend(regions);
            }
            _ => {}
        }
    }
}

impl World {
    /// V5, after every disk operation.
    pub(super) fn check_marks(&self) -> Checked {
        self.disks
            .iter()
            .try_for_each(|(&number, disk)| disk.check_marks(&self.files_on(number)))
    }

    /// V5, after every event of the head.
    pub(super) fn check_bound(&self) -> Checked {
        let dirty = self.head.as_ref().map_or(0, Head::dirty_regions);
        if dirty > MAX_DIRTY.max(self.dirty_at_start) {
            return Err(format!("V5: {dirty} regions are dirty"));
        }
        Ok(())
    }

    /// V1 and V8, whenever a replica answers.
    pub(super) fn check_answer(&mut self, answer: &Answer) -> Checked {
        if answer.result.is_err() {
            return Ok(());
        }
        let (epoch, number) = (answer.epoch, answer.disk);
        let first = self.told[&number].epoch < epoch;
        let promised = self.replicas[&number].promised();
        if epoch < promised {
            return Err(format!("V1: {epoch:?} is acknowledged after {promised:?}"));
        }
        if self.disks[&number].promised() < epoch {
            return Err(format!(
                "V1: {epoch:?} is acknowledged, and its promise is not durable"
            ));
        }
        let running = self.running.iter().map(|(on, ..)| on);
        let mut under_way = running.chain(self.ended.iter().map(|(on, ..)| on));
        if first && under_way.any(|on| *on == number) {
            return Err(format!(
                "V1: {epoch:?} is promised while what an older head began is under way"
            ));
        }
        if self.told[&number].failed {
            return Err("V8: something is acknowledged after a failed sync".to_owned());
        }
        if let Some(told) = self.told.get_mut(&number) {
            told.epoch = epoch;
        }
        Ok(())
    }

    /// V14, after every event of a replica.
    pub(super) fn check_readable(&self, number: DiskNumber) -> Checked {
        let (replica, told) = (&self.replicas[&number], &self.told[&number]);
        for &extent in self.placed.keys() {
            let Some(file) = replica.readable(extent) else {
                continue;
            };
            if told.failed {
                return Err("V14: a failed disk is read past its replica".to_owned());
            }
            if told.unsummed.iter().any(|(unsummed, _)| *unsummed == file) {
                return Err("V14: what is not summed anew is read past its replica".to_owned());
            }
        }
        Ok(())
    }

    /// V3 and V12, of the blocks that an operation changed.
    pub(super) fn check_changed(&self, number: DiskNumber, op: &DiskOp) -> Checked {
        let Some((file, blocks)) = touched(op) else {
            return Ok(());
        };
        let placed = self.placed.get(&file.extent);
        if placed.is_none_or(|placement| placement.alloc != file.alloc) {
            return Ok(());
        }
        let first = file.extent.0 * EXTENT_SIZE / SECTOR;
        let sector = |block: u32| first + u64::from(block) * SECTORS_PER_BLOCK;
        self.check_held_on(number, sector(blocks.start)..sector(blocks.end))?;
        let resummed = |(on, _, _, result): &(DiskNumber, _, _, DiskResult)| {
            *on == number && matches!(result, Ok(DiskAnswer::Summed { .. }))
        };
        // What summing anew finds is counted once the replica hears of it.
        if matches!(op, DiskOp::Resum { .. }) || self.ended.iter().any(resummed) {
            return Ok(());
        }
        let held = self.disks[&number].allocated(&self.files_on(number));
        let taken = self.taken(number);
        if held > taken {
            return Err(format!("V12: {held} blocks are held, {taken} were taken"));
        }
        Ok(())
    }

    /// V3: what every replica holds of sectors is what was answered, or what came after.
    pub(super) fn check_held(&self, range: Range<u64>) -> Checked {
        self.disks
            .keys()
            .try_for_each(|&number| self.check_held_on(number, range.clone()))
    }

    fn check_held_on(&self, number: DiskNumber, range: Range<u64>) -> Checked {
        // Whoever counts on it is told (V7, V9).
        if self.restarted.contains(&number) {
            return Ok(());
        }
        let disk = &self.disks[&number];
        for at in self.model.written_in(range) {
            let extent = ExtentIndex(at * SECTOR / EXTENT_SIZE);
            let placed = self.placed.get(&extent);
            if placed.is_some_and(|placement| !placement.is_on(number)) {
                continue;
            }
            let files = placed.and_then(|placement| {
                let alloc = placement.alloc;
                disk.files_of(ExtentFile { extent, alloc })
            });
            let block = (at * SECTOR % EXTENT_SIZE / BLOCK_SIZE) as u32;
            let held = files.filter(|files| !files.is_rotten(block));
            let held = match (files, held) {
                (Some(_), None) => continue,
                (_, held) => held.and_then(|files| files.data.get(&block)),
            };
            let skip = (at % SECTORS_PER_BLOCK * SECTOR) as usize;
            let (now, durable) = held.map_or((0, 0), |cell| {
                (stamp(cell.now(), skip), stamp(&cell.durable, skip))
            });
            self.model.held(at, now, durable)?;
        }
        Ok(())
    }

    /// Where the blocks are that rotted; from now on none may be.
    pub fn heal(&mut self) -> Vec<u64> {
        let harmed = std::mem::take(&mut self.harmed).into_iter();
        harmed
            .map(|(extent, block)| extent.start() + u64::from(block) * BLOCK_SIZE)
            .collect()
    }

    /// Whether a block of these sectors rotted.
    pub(super) fn is_harmed(&self, range: &Range<u64>) -> bool {
        is_in(&self.harmed, range)
    }

    /// The runs of a map lie within what was asked about, and its holes read zero.
    pub(super) fn check_map(
        &mut self,
        id: RequestId,
        (offset, length): (u64, u32),
        answer: Bytes,
    ) -> Checked {
        let mut next = offset;
        for run in runs(answer) {
            let length = u64::from(run.length);
            if run.hole {
                self.model.hole(id.0, sectors(next, length))?;
            }
            next += length;
        }
        if next == offset || next > offset + u64::from(length) {
            return Err(format!(
                "a map of {length} bytes tells of {}",
                next - offset
            ));
        }
        Ok(())
    }

    /// After a clean stop no region is marked but those that could not be cleaned (V5), and those of
    /// extents that were freed, on a disk that the head has not taken in again.
    pub(super) fn check_clean(&self) -> Checked {
        let has = |disk: DiskNumber| self.head.as_ref().is_none_or(|head| head.has(disk));
        for (number, replica) in self.replicas.iter().filter(|(disk, _)| has(**disk)) {
            let left = &self.told[number].left;
            if let Some(region) = replica.dirty().difference(left).next() {
                return Err(format!("V5: region {region} is dirty after a clean stop"));
            }
        }
        Ok(())
    }

    /// When nothing is on its way: the accounts are right (V12), and the replicas are equal (V3).
    pub(super) fn check_rest(&mut self) -> Checked {
        let troubled = std::mem::take(&mut self.troubles).any();
        if self.has_failed() {
            return Ok(());
        }
        // What lost power may hold what was freed meanwhile, until the next head tells it.
        let told = |(number, _): &(&DiskNumber, _)| !self.restarted.contains(number);
        for (number, disk) in self.disks.iter().filter(told) {
            let held = disk.allocated(&self.files_on(*number));
            let counted = self.replicas[number].allocated();
            let used = self.spaces[number].used().0 / BLOCK_SIZE;
            if counted != held || used != held {
                return Err(format!(
                    "V12: {held} blocks are held, {counted} counted, {used} accounted"
                ));
            }
        }
        // One that refused a write would have to be recorded stale (V4): not built yet.
        if troubled || !self.harmed.is_empty() || self.spread() {
            return Ok(());
        }
        let contents: Vec<_> = self
            .disks
            .iter()
            .map(|(&number, disk)| disk.contents(&self.files_on(number)))
            .collect();
        if contents.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err("V3: the replicas differ".to_owned());
        }
        Ok(())
    }
}

/// The blocks that an operation changes.
fn touched(op: &DiskOp) -> Option<(ExtentFile, Range<u32>)> {
    let (file, offset, length) = match op {
        DiskOp::Write {
            file, offset, data, ..
        } => (*file, *offset, data.len() as u32),
        DiskOp::Zero {
            file,
            offset,
            length,
            ..
        } => (*file, *offset, *length),
        DiskOp::Resum { file, region, .. } => {
            let start = region.0 * REGION_SIZE - file.extent.start();
            (*file, start as u32, REGION_SIZE as u32)
        }
        _ => return None,
    };
    let block = BLOCK_SIZE as u32;
    Some((file, offset / block..(offset + length).div_ceil(block)))
}

fn stamp(block: &Block, skip: usize) -> Stamp {
    block.as_ref().map_or(0, |bytes| {
        Stamp::from_le_bytes([
            bytes[skip],
            bytes[skip + 1],
            bytes[skip + 2],
            bytes[skip + 3],
        ])
    })
}
