//! A simulated disk: what was not synced may be lost at a power cut, any subset of it, and a block
//! may be torn in the middle.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::ExtentIndex;
use volumed_core::format::{DirtyLogRecord, PromiseRecord, SlotRecord, Slots, newest};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskAnswer, DiskFault, DiskOp, DiskResult, Recovered};
use volumed_core::sums::HOLE;

use super::Fault;
use super::extent::{Extent, region_of};

/// One disk with one volume on it.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk {
    extents: BTreeMap<ExtentFile, Extent>,
    log: [Vec<u8>; 2],
    promise: [Vec<u8>; 2],
    fault: Fault,
}

impl SimDisk {
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// The extent's files, made and durable.
    pub fn create(&mut self, file: ExtentFile) {
        let mut left = Extent::default();
        if self.fault == Fault::ServesForeignBytes {
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
        if self.fault != Fault::ServesForeignBytes {
            self.extents.retain(|file, _| placed.contains(file));
        }
    }

    /// Carries an operation out, without telling anybody.
    pub fn apply(&mut self, op: &DiskOp) -> DiskResult {
        match op {
            DiskOp::Read {
                file,
                offset,
                expected,
            } => self.extent(file)?.read_checked(*offset, expected),
            DiskOp::Write {
                file,
                offset,
                data,
                durable,
                first,
                last,
            } => {
                let durable = *durable && self.fault != Fault::AnswersDurableWritesEarly;
                self.extent(file)?
                    .write(*offset, data, durable, (*first, *last))
            }
            &DiskOp::Zero {
                file,
                offset,
                length,
                durable,
                keep,
            } => Ok(self.extent(&file)?.zero(offset, length, durable, keep)),
            DiskOp::LoadSums { file, region } => Ok(DiskAnswer::Page {
                page: self.extent(file)?.page(*region),
                before: None,
            }),
            DiskOp::Resum {
                file,
                region,
                before,
            } => Ok(self.extent(file)?.resum(*region, before.as_deref())),
            DiskOp::Sync { files } => {
                for file in files.iter().filter(|_| self.fault != Fault::SkipsFlush) {
                    self.extents.get_mut(file).map(Extent::sync_data);
                }
                Ok(DiskAnswer::Done)
            }
            DiskOp::Settle { files } => {
                for (file, allocated) in files {
                    if let Some(extent) = self.extents.get_mut(file) {
                        extent.header.write(*allocated, false);
                        extent.sync_data();
                        if self.fault != Fault::CleansWithoutSums {
                            extent.sync_sums();
                        }
                    }
                }
                Ok(DiskAnswer::Done)
            }
            DiskOp::WriteLog(record) => {
                if self.fault != Fault::SkipsMarks {
                    self.log[(record.sequence % 2) as usize] = record.encode();
                }
                Ok(DiskAnswer::Done)
            }
            DiskOp::WritePromise(record) => {
                self.promise[(record.sequence % 2) as usize] = record.encode();
                Ok(DiskAnswer::Done)
            }
            DiskOp::Remove { file } => {
                if self.fault != Fault::ServesForeignBytes {
                    self.extents.remove(file);
                }
                Ok(DiskAnswer::Done)
            }
        }
    }

    fn extent(&mut self, file: &ExtentFile) -> Result<&mut Extent, DiskFault> {
        self.extents.get_mut(file).ok_or(DiskFault::Io)
    }

    /// The power goes while `under_way` is being carried out.
    pub fn cut_power(&mut self, under_way: &[DiskOp], rng: &mut SmallRng) {
        for op in under_way {
            if rng.random_bool(0.3) {
                continue;
            }
            match op {
                DiskOp::WriteLog(record) => {
                    let slot = &mut self.log[(record.sequence % 2) as usize];
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
                    let (file, offset, data, first, last) =
                        (*file, *offset, data.clone(), *first, *last);
                    let half_way = DiskOp::Write {
                        file,
                        offset,
                        data,
                        durable: false,
                        first,
                        last,
                    };
                    let _ = self.apply(&half_way);
                }
                &DiskOp::Zero {
                    file,
                    offset,
                    length,
                    keep,
                    ..
                } => {
                    let half_way = DiskOp::Zero {
                        file,
                        offset,
                        length,
                        durable: false,
                        keep,
                    };
                    let _ = self.apply(&half_way);
                }
                _ => {}
            }
        }
        for extent in self.extents.values_mut() {
            extent.cut(rng);
        }
    }

    pub fn recover(&self, placed: &BTreeSet<ExtentFile>) -> Recovered {
        let log = read_slots::<DirtyLogRecord>(&self.log);
        let log = if self.fault == Fault::TrustsSums {
            Slots::Fresh
        } else {
            log
        };
        let held = placed.iter().filter_map(|file| {
            let extent = self.extents.get(file)?;
            let unclean = match &log {
                Slots::Newest(DirtyLogRecord {
                    regions: Some(regions),
                    ..
                }) => regions.iter().any(|region| region.extent() == file.extent),
                Slots::Fresh => false,
                _ => true,
            };
            let counted = extent
                .sums
                .values()
                .filter(|cell| *cell.now() != HOLE)
                .count() as u32;
            Some((
                *file,
                if unclean {
                    counted
                } else {
                    *extent.header.now()
                },
            ))
        });
        let extents = held.collect();
        Recovered {
            promise: read_slots::<PromiseRecord>(&self.promise),
            log,
            extents,
        }
    }

    /// V5: whatever is not durable, data or sums, lies in a region that the log on the disk names.
    pub fn check_marks(&self, placed: &BTreeSet<ExtentFile>) -> Result<(), String> {
        let logged = match read_slots::<DirtyLogRecord>(&self.log) {
            Slots::Newest(record) => record.regions,
            Slots::Fresh => Some(BTreeSet::new()),
            Slots::Damaged => None,
        };
        let Some(logged) = logged else { return Ok(()) };
        for file in placed {
            let Some(extent) = self.extents.get(file) else {
                continue;
            };
            let data = extent
                .data
                .iter()
                .filter(|(_, cell)| !cell.unsynced.is_empty());
            let sums = extent
                .sums
                .iter()
                .filter(|(_, cell)| !cell.unsynced.is_empty());
            for block in data
                .map(|(block, _)| *block)
                .chain(sums.map(|(block, _)| *block))
            {
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

    /// Blocks that take space by the sums.
    pub fn allocated(&self, placed: &BTreeSet<ExtentFile>) -> u64 {
        let extents = placed.iter().filter_map(|file| self.extents.get(file));
        extents
            .flat_map(|e| e.sums.values())
            .filter(|cell| *cell.now() != HOLE)
            .count() as u64
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

fn tear_slot(slot: &mut Vec<u8>, new: &[u8], rng: &mut SmallRng) {
    let arrived = rng.random_range(0..=new.len());
    slot.resize(slot.len().max(new.len()), 0);
    slot[..arrived].copy_from_slice(&new[..arrived]);
}
