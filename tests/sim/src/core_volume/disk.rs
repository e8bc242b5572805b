//! A simulated disk: what was not synced may be lost at a power cut, any subset of it, and a block
//! may be torn in the middle.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::format::{DirtyLogRecord, PromiseRecord, SlotRecord, Slots, newest};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskAnswer, DiskFault, DiskOp, DiskResult, Recovered};
use volumed_core::sums::{HOLE, SumsPage, allocated, merge, sum, sums, verify};
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

use super::Fault;

const BLOCK: usize = BLOCK_SIZE as usize;

/// A value that is written in place, of which the newest durable version and those after it are
/// known.
#[derive(Debug, Clone, Default)]
struct Cell<T> {
    durable: T,
    unsynced: Vec<T>,
}

impl<T: Clone> Cell<T> {
    fn now(&self) -> &T {
        self.unsynced.last().unwrap_or(&self.durable)
    }

    fn write(&mut self, value: T, durable: bool) {
        if durable {
            self.durable = value;
            self.unsynced.clear();
        } else {
            self.unsynced.push(value);
        }
    }

    fn sync(&mut self) {
        if let Some(newest) = self.unsynced.pop() {
            self.write(newest, true);
        }
    }

    /// Any version since the last sync may be the one that is left.
    fn cut(&mut self, rng: &mut SmallRng, tear: impl Fn(&T, &T, &mut SmallRng) -> T) {
        for version in std::mem::take(&mut self.unsynced) {
            if rng.random_bool(0.5) {
                self.durable = tear(&self.durable, &version, rng);
            }
        }
    }
}

/// `None` is a block of zeroes.
type Block = Option<Bytes>;

/// One extent's files.
#[derive(Debug, Clone, Default)]
struct Extent {
    data: BTreeMap<u32, Cell<Block>>,
    sums: BTreeMap<u32, Cell<u32>>,
    header: Cell<u32>,
}

impl Extent {
    fn read(&self, block: u32) -> Bytes {
        let zeroes = || Bytes::from(vec![0; BLOCK]);
        self.data
            .get(&block)
            .and_then(|cell| cell.now().clone())
            .unwrap_or_else(zeroes)
    }

    fn sum(&self, block: u32) -> u32 {
        self.sums.get(&block).map_or(HOLE, |cell| *cell.now())
    }

    fn page(&self, region: RegionIndex) -> Box<SumsPage> {
        let mut page = Box::new([HOLE; BLOCKS_PER_REGION]);
        for (&block, cell) in self.sums.range(blocks_of(region)) {
            page[block as usize % BLOCKS_PER_REGION] = *cell.now();
        }
        page
    }

    fn put(&mut self, first: u32, blocks: &[Block], marks: &[u32], durable: bool) {
        for ((at, block), &mark) in (first..).zip(blocks).zip(marks) {
            self.data
                .entry(at)
                .or_default()
                .write(block.clone(), durable);
            self.sums.entry(at).or_default().write(mark, false);
        }
    }

    fn write(
        &mut self,
        offset: u32,
        data: &Bytes,
        durable: bool,
        (first, last): (Option<u32>, Option<u32>),
    ) -> DiskResult {
        let start = offset / BLOCK as u32;
        let end = (offset + data.len() as u32).div_ceil(BLOCK as u32);
        let old = |at, expected: Option<u32>| {
            let Some(expected) = expected else {
                return Ok(None);
            };
            let block = self.read(at);
            verify(&block, &[expected]).map_err(|_| DiskFault::Corrupt)?;
            Ok(Some(block))
        };
        let (first, last) = (old(start, first)?, old(end - 1, last)?);
        let merged = merge(
            data,
            offset as usize % BLOCK,
            first.as_deref(),
            last.as_deref(),
        );
        let marks = sums(&merged);
        let block = |at: usize| Some(merged.slice(at * BLOCK..(at + 1) * BLOCK));
        let blocks: Vec<Block> = (0..marks.len()).map(block).collect();
        self.put(start, &blocks, &marks, durable);
        Ok(DiskAnswer::Sums(marks))
    }

    fn sync_data(&mut self) {
        self.data.values_mut().for_each(Cell::sync);
    }

    fn sync_sums(&mut self) {
        self.sums.values_mut().for_each(Cell::sync);
        self.header.sync();
    }

    fn cut(&mut self, rng: &mut SmallRng) {
        for cell in self.data.values_mut() {
            cell.cut(rng, torn);
        }
        for cell in self.sums.values_mut() {
            cell.cut(rng, |_, new, _| *new);
        }
        self.header.cut(rng, |_, new, _| *new);
    }
}

fn blocks_of(region: RegionIndex) -> std::ops::Range<u32> {
    let blocks = BLOCKS_PER_REGION as u32;
    let first = (region.0 % REGIONS_PER_EXTENT) as u32 * blocks;
    first..first + blocks
}

fn region_of(extent: ExtentIndex, block: u32) -> RegionIndex {
    RegionIndex(extent.0 * REGIONS_PER_EXTENT + u64::from(block) / BLOCKS_PER_REGION as u64)
}

/// A block of which only the first half arrived, now and then.
fn torn(old: &Block, new: &Block, rng: &mut SmallRng) -> Block {
    if rng.random_bool(0.8) {
        return new.clone();
    }
    let zeroes = Bytes::from(vec![0; BLOCK]);
    let (old, new) = (
        old.as_ref().unwrap_or(&zeroes),
        new.as_ref().unwrap_or(&zeroes),
    );
    Some(Bytes::from([&new[..BLOCK / 2], &old[BLOCK / 2..]].concat()))
}

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
            } => {
                let extent = self.extents.get(file).ok_or(DiskFault::Io)?;
                let first = offset / BLOCK as u32;
                let mut blocks = Vec::with_capacity(expected.len() * BLOCK);
                for block in first..first + expected.len() as u32 {
                    blocks.extend_from_slice(&extent.read(block));
                }
                verify(&blocks, expected).map_err(|_| DiskFault::Corrupt)?;
                Ok(DiskAnswer::Data(Bytes::from(blocks)))
            }
            DiskOp::Write {
                file,
                offset,
                data,
                durable,
                first,
                last,
            } => {
                let extent = self.extents.get_mut(file).ok_or(DiskFault::Io)?;
                let durable = *durable && self.fault != Fault::AnswersDurableWritesEarly;
                extent.write(*offset, data, durable, (*first, *last))
            }
            DiskOp::Zero {
                file,
                offset,
                length,
                durable,
                keep,
            } => {
                let extent = self.extents.get_mut(file).ok_or(DiskFault::Io)?;
                let count = *length as usize / BLOCK;
                let mark = if *keep { sum(&[0; BLOCK]) } else { HOLE };
                let marks = vec![mark; count];
                extent.put(offset / BLOCK as u32, &vec![None; count], &marks, *durable);
                Ok(DiskAnswer::Sums(marks))
            }
            DiskOp::LoadSums { file, region } => {
                let extent = self.extents.get(file).ok_or(DiskFault::Io)?;
                Ok(DiskAnswer::Page {
                    page: extent.page(*region),
                    before: None,
                })
            }
            DiskOp::Resum {
                file,
                region,
                before,
            } => self.resum(*file, *region, before.as_deref()),
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

    fn resum(
        &mut self,
        file: ExtentFile,
        region: RegionIndex,
        before: Option<&SumsPage>,
    ) -> DiskResult {
        let extent = self.extents.get_mut(&file).ok_or(DiskFault::Io)?;
        extent.sync_data();
        let before = before.map_or_else(|| extent.page(region), |page| Box::new(*page));
        let mut page = before.clone();
        for (block, mark) in blocks_of(region).zip(page.iter_mut()) {
            let there = extent.data.get(&block).and_then(|cell| cell.now().as_ref());
            let bytes = there.filter(|bytes| bytes.iter().any(|&byte| byte != 0));
            *mark = match bytes {
                Some(bytes) => sum(bytes),
                None if *mark == HOLE => HOLE,
                None => sum(&[0; BLOCK]),
            };
        }
        for (block, &mark) in blocks_of(region).zip(page.iter()) {
            if extent.sum(block) != mark {
                extent.sums.entry(block).or_default().write(mark, false);
            }
        }
        Ok(DiskAnswer::Page {
            page,
            before: Some(allocated(&before[..])),
        })
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
