//! A simulated disk: what was not synced may be lost at a power cut, any subset of it, and a block
//! may be torn in the middle.

mod harm;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use volumed_core::chunk::Chunk;
use volumed_core::digest;
use volumed_core::format::{
    DirtyLogRecord, MissedLogRecord, PromiseRecord, SlotRecord, Slots, newest,
};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskAnswer, DiskFault, DiskOp, DiskResult, Recovered, RegionSums};
use volumed_core::{Epoch, ExtentIndex, Incarnation, REGIONS_PER_EXTENT, RegionIndex};

use super::extent::{Extent, region_of};
use super::{Broken, Lie};

/// One disk with one volume on it.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk {
    extents: BTreeMap<ExtentFile, Extent>,
    log: [Vec<u8>; 2],
    missed: [Vec<u8>; 2],
    promise: [Vec<u8>; 2],
    incarnation: Incarnation,
    /// V8: it does nothing any more until the daemon is started anew.
    failed: bool,
    broken: Broken,
}

impl SimDisk {
    pub fn new(broken: Broken) -> Self {
        Self {
            broken,
            ..Self::default()
        }
    }

    /// The extent's files, made and durable.
    pub fn create(&mut self, file: ExtentFile) {
        let mut left = Extent::default();
        if self.broken.is(Lie::ForeignBytes) {
            let older = self
                .extents
                .range(..file)
                .rev()
                .find(|(old, _)| old.extent == file.extent);
            left = older.map_or(left, |(_, extent)| extent.clone());
        }
        self.extents.insert(file, left);
    }

    /// Removes what no record names.
    pub fn collect(&mut self, placed: &BTreeSet<ExtentFile>) {
        if !self.broken.is(Lie::ForeignBytes) {
            self.extents.retain(|file, _| placed.contains(file));
        }
    }

    /// Carries an operation out, without telling anybody.
    pub fn apply(&mut self, op: &DiskOp) -> DiskResult {
        if self.failed {
            return Err(DiskFault::Sync);
        }
        match op {
            DiskOp::Read { .. }
            | DiskOp::Fetch { .. }
            | DiskOp::Digest { .. }
            | DiskOp::LoadSums { .. }
            | DiskOp::Verify { .. } => self.look(op),
            DiskOp::Write {
                file,
                offset,
                data,
                durable,
                first,
                last,
            } => self.write(file, (*offset, data), *durable, (*first, *last)),
            &DiskOp::Zero {
                file,
                offset,
                length,
                durable,
                keep,
            } => Ok(self.extent(&file)?.zero(offset, length, durable, keep)),
            DiskOp::Store {
                file,
                offset,
                chunk,
            } => Ok(self.extent(file)?.store(*offset, chunk)),
            DiskOp::Replace {
                file,
                offset,
                chunk,
            } => Ok(self.extent(file)?.replace(*offset, chunk)),
            DiskOp::Resum {
                file,
                region,
                before,
                ..
            } => {
                let synced = !self.broken.is(Lie::ResumWithoutSync);
                let extent = self.extent(file)?;
                Ok(extent.resum(*region, before.as_deref(), synced))
            }
            DiskOp::Sync { files } => Ok(self.sync(files)),
            DiskOp::StoreSums { pages } => Ok(self.store_sums(pages)),
            DiskOp::Settle { files, pages } => {
                self.store_sums(pages);
                Ok(self.settle(files))
            }
            DiskOp::WriteLog(record) => {
                if !self.broken.is(Lie::MarksSkipped) {
                    self.log[(record.sequence % 2) as usize] = record.encode();
                }
                Ok(DiskAnswer::Done)
            }
            DiskOp::WriteMissed(record) => {
                self.missed[(record.sequence % 2) as usize] = record.encode();
                Ok(DiskAnswer::Done)
            }
            DiskOp::WritePromise(record) => {
                self.promise[(record.sequence % 2) as usize] = record.encode();
                Ok(DiskAnswer::Done)
            }
            DiskOp::Remove { file } => {
                if !self.broken.is(Lie::ForeignBytes) {
                    self.extents.remove(file);
                }
                Ok(DiskAnswer::Done)
            }
        }
    }

    /// What changes nothing.
    fn look(&mut self, op: &DiskOp) -> DiskResult {
        match op {
            DiskOp::Read {
                file,
                offset,
                expected,
            } => {
                let checked = !self.broken.is(Lie::ReadUnchecked);
                self.extent(file)?.read_checked(*offset, expected, checked)
            }
            DiskOp::Fetch { file, offset, sums } => self.fetch(file, *offset, sums),
            DiskOp::Digest { file, offset, sums } => {
                let blocks = self.extent(file)?.bytes(*offset, sums.len());
                Ok(DiskAnswer::Data(digest::pack(sums, &blocks).into()))
            }
            DiskOp::LoadSums { file, region } => Ok(DiskAnswer::Page {
                page: self.extent(file)?.page(*region),
            }),
            DiskOp::Verify {
                file,
                region,
                expected,
            } => Ok(self.extent(file)?.verify(*region, expected.as_deref())),
            _ => Ok(DiskAnswer::Done),
        }
    }

    fn write(
        &mut self,
        file: &ExtentFile,
        (offset, data): (u32, &Bytes),
        durable: bool,
        edges: (Option<u32>, Option<u32>),
    ) -> DiskResult {
        let durable = durable && !self.broken.is(Lie::DurableWriteEarly);
        let checked = !self.broken.is(Lie::MergeUnchecked);
        let extent = self.extent(file)?;
        let merged = extent.merged(offset, data, edges, checked)?;
        Ok(extent.write(offset, &merged, durable))
    }

    fn fetch(&mut self, file: &ExtentFile, offset: u32, sums: &[u32]) -> DiskResult {
        let blocks = self.extent(file)?.bytes(offset, sums.len());
        Ok(DiskAnswer::Data(Chunk::pack(sums, &blocks)))
    }

    fn sync(&mut self, files: &[ExtentFile]) -> DiskAnswer {
        let skipped = self.broken.is(Lie::FlushSkipped);
        for file in files.iter().filter(|_| !skipped) {
            self.extents.get_mut(file).map(Extent::sync_data);
        }
        DiskAnswer::Done
    }

    fn store_sums(&mut self, pages: &[RegionSums]) -> DiskAnswer {
        for RegionSums { file, region, page } in pages {
            if let Some(extent) = self.extents.get_mut(file) {
                extent.store_sums(*region, page, None);
            }
        }
        DiskAnswer::Done
    }

    fn settle(&mut self, files: &[(ExtentFile, u32)]) -> DiskAnswer {
        for (file, allocated) in files {
            if let Some(extent) = self.extents.get_mut(file) {
                extent.header.write(*allocated, false);
                extent.sync_data();
                if !self.broken.is(Lie::CleanWithoutSums) {
                    extent.sync_sums();
                }
            }
        }
        DiskAnswer::Done
    }

    fn extent(&mut self, file: &ExtentFile) -> Result<&mut Extent, DiskFault> {
        self.extents.get_mut(file).ok_or(DiskFault::Io)
    }

    /// What the daemon finds when it starts.
    pub fn recover(&mut self, placed: &BTreeSet<ExtentFile>) -> Recovered {
        let logged = self.logged();
        let is_dirty = |region| logged.as_ref().is_none_or(|it| it.contains(&region));
        let mut extents = Vec::new();
        for &file in placed {
            let Some(extent) = self.extents.get_mut(&file) else {
                continue;
            };
            extent.restart(|block| is_dirty(region_of(file.extent, block)));
            let first = file.extent.0 * REGIONS_PER_EXTENT;
            let unclean = (first..first + REGIONS_PER_EXTENT).any(|it| is_dirty(RegionIndex(it)));
            let counted = if unclean {
                extent.allocated()
            } else {
                *extent.header.now()
            };
            extents.push((file, counted));
        }
        Recovered {
            incarnation: self.incarnation,
            promise: read_slots::<PromiseRecord>(&self.promise),
            log: read_slots::<DirtyLogRecord>(&self.log),
            missed: read_slots::<MissedLogRecord>(&self.missed),
            extents,
        }
    }

    /// V5: whatever is not durable, data or sums, or not in the sums file, lies in a region that the log
    /// on the disk names.
    pub fn check_marks(&self, placed: &BTreeSet<ExtentFile>) -> Result<(), String> {
        let Some(logged) = self.logged() else {
            return Ok(());
        };
        for file in placed {
            let Some(extent) = self.extents.get(file) else {
                continue;
            };
            let data = extent.data.iter().filter(|(_, cell)| cell.is_behind());
            let sums = extent.sums.iter().filter(|(_, cell)| cell.is_behind());
            let behind = data
                .map(|(block, _)| *block)
                .chain(sums.map(|(block, _)| *block));
            for block in behind.chain(extent.unstored()) {
                let region = region_of(file.extent, block);
                if !logged.contains(&region) {
                    return Err(format!(
                        "V5: region {region} changed without a durable mark"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The regions that the log on the disk names; `None` says all.
    pub fn logged(&self) -> Option<BTreeSet<RegionIndex>> {
        match read_slots::<DirtyLogRecord>(&self.log) {
            Slots::Newest(record) => record.regions,
            Slots::Fresh => Some(BTreeSet::new()),
            Slots::Damaged => None,
        }
    }

    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// V1: what the disk would still promise after a crash.
    pub fn promised(&self) -> Epoch {
        match read_slots::<PromiseRecord>(&self.promise) {
            Slots::Newest(record) => record.epoch,
            Slots::Fresh | Slots::Damaged => Epoch(0),
        }
    }

    /// The files of an extent, if they are there.
    pub fn files_of(&self, file: ExtentFile) -> Option<&Extent> {
        self.extents.get(&file)
    }

    /// Blocks that take space, as the replica was told.
    pub fn allocated(&self, placed: &BTreeSet<ExtentFile>) -> u64 {
        let extents = placed.iter().filter_map(|file| self.extents.get(file));
        extents.map(|extent| u64::from(extent.allocated())).sum()
    }

    /// What every block that was ever written holds now.
    pub fn contents(&self, placed: &BTreeSet<ExtentFile>) -> BTreeMap<(ExtentIndex, u32), Bytes> {
        let extents = placed
            .iter()
            .filter_map(|file| Some((file, self.extents.get(file)?)));
        extents
            .flat_map(|(file, extent)| {
                extent
                    .data
                    .keys()
                    .map(|&block| ((file.extent, block), extent.read(block)))
            })
            .collect()
    }
}

fn read_slots<R: SlotRecord>(slots: &[Vec<u8>; 2]) -> Slots<R> {
    newest([&slots[0], &slots[1]]).unwrap_or(Slots::Damaged)
}

/// Whether an operation may change what is on the disk.
pub(super) fn changes_files(op: &DiskOp) -> bool {
    !matches!(
        op,
        DiskOp::Read { .. }
            | DiskOp::Fetch { .. }
            | DiskOp::Digest { .. }
            | DiskOp::LoadSums { .. }
            | DiskOp::Verify { .. }
    )
}
