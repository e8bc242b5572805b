//! The files of an extent on a simulated disk, block by block.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::chunk::Chunk;
use volumed_core::replica::{BadBlock, DiskAnswer, DiskFault, DiskResult};
use volumed_core::sums::{HOLE, Mismatch, SumsPage, allocated, merge, sum, sums, verify};
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

const BLOCK: usize = BLOCK_SIZE as usize;

/// A value that is written in place, of which the newest durable version and those after it are
/// known.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell<T> {
    pub durable: T,
    unsynced: Vec<T>,
    /// What a failed sync did not write: the page cache shows it, and no later sync writes it.
    lost: Option<T>,
}

impl<T: Clone> Cell<T> {
    pub fn now(&self) -> &T {
        let cached = self.unsynced.last().or(self.lost.as_ref());
        cached.unwrap_or(&self.durable)
    }

    /// Whether the disk holds something older than what is read.
    pub fn is_behind(&self) -> bool {
        !self.unsynced.is_empty() || self.lost.is_some()
    }

    pub fn write(&mut self, value: T, durable: bool) {
        self.lost = None;
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

    /// A sync fails: the newest version is on the disk or not.
    fn fail(&mut self, rng: &mut SmallRng) {
        let Some(newest) = self.unsynced.pop() else {
            return;
        };
        self.unsynced.clear();
        if rng.random_bool(0.5) {
            self.write(newest, true);
        } else {
            self.lost = Some(newest);
        }
    }

    /// Any version since the last sync may be the one that is left.
    fn cut(&mut self, rng: &mut SmallRng, tear: impl Fn(&T, &T, &mut SmallRng) -> T) {
        self.lost = None;
        for version in std::mem::take(&mut self.unsynced) {
            if rng.random_bool(0.5) {
                self.durable = tear(&self.durable, &version, rng);
            }
        }
    }
}

/// `None` is a block of zeroes.
pub(super) type Block = Option<Bytes>;

/// One extent's files.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent {
    pub data: BTreeMap<u32, Cell<Block>>,
    pub sums: BTreeMap<u32, Cell<u32>>,
    pub header: Cell<u32>,
    /// The sums as the replica was told of them; those of dirty regions are ahead of the file's.
    told: BTreeMap<u32, u32>,
    /// The blocks whose sum in the file is not the one that the replica was told.
    unstored: BTreeSet<u32>,
    /// How many blocks take space, as the replica was told.
    taken: u32,
    /// Blocks that rotted, as they were.
    rotten: BTreeMap<u32, (Block, u32)>,
}

impl Extent {
    pub fn read(&self, block: u32) -> Bytes {
        let zeroes = || Bytes::from(vec![0; BLOCK]);
        self.data
            .get(&block)
            .and_then(|cell| cell.now().clone())
            .unwrap_or_else(zeroes)
    }

    fn sum(&self, block: u32) -> u32 {
        self.sums.get(&block).map_or(HOLE, |cell| *cell.now())
    }

    pub fn page(&self, region: RegionIndex) -> Box<SumsPage> {
        let mut page = Box::new([HOLE; BLOCKS_PER_REGION]);
        for (&block, cell) in self.sums.range(blocks_of(region)) {
            page[block as usize % BLOCKS_PER_REGION] = *cell.now();
        }
        page
    }

    fn put(&mut self, first: u32, blocks: &[Block], marks: &[u32], durable: bool) {
        for ((at, block), &mark) in (first..).zip(blocks).zip(marks) {
            self.unrot(at);
            self.data
                .entry(at)
                .or_default()
                .write(block.clone(), durable);
            self.tell(at, mark);
        }
    }

    fn tell(&mut self, block: u32, mark: u32) {
        let before = self.told.insert(block, mark).unwrap_or(HOLE);
        self.taken += u32::from(mark != HOLE);
        self.taken -= u32::from(before != HOLE);
        self.compare(block);
    }

    fn write_sum(&mut self, block: u32, mark: u32, durable: bool) {
        self.sums.entry(block).or_default().write(mark, durable);
        self.compare(block);
    }

    fn compare(&mut self, block: u32) {
        let stored = self
            .told
            .get(&block)
            .is_none_or(|told| self.sum(block) == *told);
        if stored {
            self.unstored.remove(&block);
        } else {
            self.unstored.insert(block);
        }
    }

    /// A region's page is written into the sums file; with `some` not all of it.
    pub fn store_sums(
        &mut self,
        region: RegionIndex,
        page: &SumsPage,
        some: Option<&mut SmallRng>,
    ) {
        let mut some = some;
        for (block, &mark) in blocks_of(region).zip(page) {
            let passed_over = some.as_mut().is_some_and(|rng| rng.random_bool(0.5));
            let lost = self
                .sums
                .get(&block)
                .is_some_and(|cell| cell.lost.is_some());
            if (self.sum(block) != mark || lost) && !passed_over {
                self.write_sum(block, mark, false);
            }
        }
    }

    /// A block whose sum in the file is not the one that the replica was told, of those that did not rot.
    pub fn unstored(&self) -> impl Iterator<Item = u32> {
        let unstored = self.unstored.iter().copied();
        unstored.filter(|block| !self.is_rotten(*block))
    }

    /// How many blocks take space, as the replica was told.
    pub fn allocated(&self) -> u32 {
        self.taken
    }

    /// Whether a block takes space, as the replica was told.
    pub fn takes(&self, block: u32) -> bool {
        self.told.get(&block).is_some_and(|sum| *sum != HOLE)
    }

    /// The daemon starts: what it knows of blocks is what the files say, and in dirty regions also
    /// which blocks were written.
    pub fn restart(&mut self, dirty: impl Fn(u32) -> bool) {
        let blocks: BTreeSet<u32> = self.sums.keys().chain(self.data.keys()).copied().collect();
        let told = |block: u32| match self.sum(block) {
            HOLE if dirty(block) && self.is_written(block) => (block, sum(&[0; BLOCK])),
            found => (block, found),
        };
        let told: Vec<_> = blocks.into_iter().map(told).collect();
        self.told.clear();
        self.unstored.clear();
        self.taken = 0;
        for (block, mark) in told {
            self.tell(block, mark);
        }
    }

    fn is_written(&self, block: u32) -> bool {
        self.data
            .get(&block)
            .is_some_and(|cell| cell.now().is_some())
    }

    /// The blocks that a write makes of what is there; `checked`: only of what matches its sum (V10).
    pub fn merged(
        &self,
        offset: u32,
        data: &Bytes,
        (first, last): (Option<u32>, Option<u32>),
        checked: bool,
    ) -> Result<Bytes, DiskFault> {
        let start = offset / BLOCK as u32;
        let end = (offset + data.len() as u32).div_ceil(BLOCK as u32);
        let old = |at, expected: Option<u32>| {
            let Some(expected) = expected else {
                return Ok(None);
            };
            let block = self.read(at);
            match verify(&block, &[expected]) {
                Err(_) if checked => Err(DiskFault::Corrupt(self.bad(at))),
                _ => Ok(Some(block)),
            }
        };
        let (first, last) = (old(start, first)?, old(end - 1, last)?);
        let skip = offset as usize % BLOCK;
        Ok(merge(data, skip, first.as_deref(), last.as_deref()))
    }

    pub fn write(&mut self, offset: u32, merged: &Bytes, durable: bool) -> DiskAnswer {
        let marks = sums(merged);
        self.put(offset / BLOCK as u32, &blocks(merged), &marks, durable);
        DiskAnswer::Sums(marks)
    }

    /// Blocks as they were elsewhere, with the sums that they had there.
    pub fn store(&mut self, offset: u32, chunk: &Chunk) -> DiskAnswer {
        for (at, run) in chunk.runs() {
            let run = blocks(&run);
            let sums = &chunk.sums[at as usize..][..run.len()];
            self.put(offset / BLOCK as u32 + at, &run, sums, false);
        }
        DiskAnswer::Sums(chunk.sums.clone())
    }

    /// So many blocks as they read.
    pub fn bytes(&self, offset: u32, count: usize) -> Vec<u8> {
        let first = offset / BLOCK as u32;
        let blocks = (first..first + count as u32).map(|at| self.read(at));
        blocks.collect::<Vec<_>>().concat()
    }

    /// Blocks become what they were elsewhere, holes among them.
    pub fn replace(&mut self, offset: u32, chunk: &Chunk) -> DiskAnswer {
        for (at, count) in chunk.holes() {
            let (first, count) = (offset / BLOCK as u32 + at, count as usize);
            self.put(first, &vec![None; count], &vec![HOLE; count], false);
        }
        self.store(offset, chunk)
    }

    /// Some of the blocks are written, the last of them in part, and none of the sums.
    pub fn write_half(&mut self, offset: u32, blocks: &[Block], rng: &mut SmallRng) {
        let written = rng.random_range(0..=blocks.len());
        for (at, new) in (offset / BLOCK as u32..).zip(&blocks[..written]) {
            self.unrot(at);
            let cell = self.data.entry(at).or_default();
            let new = torn(cell.now(), new, rng);
            cell.write(new, false);
        }
    }

    /// What these files were to have synced is on the disk or not.
    pub fn fail_sync(&mut self, rng: &mut SmallRng) {
        self.data.values_mut().for_each(|cell| cell.fail(rng));
        self.sums.values_mut().for_each(|cell| cell.fail(rng));
        self.header.fail(rng);
    }

    /// A block that is on the disk, or its sum, changes; whether there was one that can.
    pub fn rot(&mut self, block: u32, rng: &mut SmallRng) -> bool {
        let (Some(data), Some(sum)) = (self.data.get_mut(&block), self.sums.get_mut(&block)) else {
            return false;
        };
        let rots = !data.is_behind() && !sum.is_behind() && sum.durable != HOLE;
        if !rots || self.rotten.contains_key(&block) {
            return false;
        }
        let before = (data.durable.clone(), sum.durable);
        if rng.random_bool(0.8) {
            let mut bytes = before
                .0
                .as_ref()
                .map_or_else(|| vec![0; BLOCK], |b| b.to_vec());
            bytes[rng.random_range(0..BLOCK)] ^= 1 << rng.random_range(0..8);
            data.durable = Some(Bytes::from(bytes));
        } else {
            // Not to the mark of a hole.
            sum.durable = before.1.wrapping_add(1).max(2);
        }
        self.rotten.insert(block, before);
        true
    }

    pub fn is_rotten(&self, block: u32) -> bool {
        self.rotten.contains_key(&block)
    }

    /// A block that is written, or summed anew, did not rot: what a power cut would leave of the write
    /// could not be told from rot.
    fn unrot(&mut self, block: u32) {
        if let Some((data, sum)) = self.rotten.remove(&block) {
            self.data.entry(block).or_default().write(data, true);
            self.write_sum(block, sum, true);
        }
    }

    /// Takes what is there for good: what the disk has, not what the page cache shows.
    pub fn resum(
        &mut self,
        region: RegionIndex,
        before: Option<&SumsPage>,
        synced: bool,
    ) -> DiskAnswer {
        for block in blocks_of(region) {
            self.unrot(block);
        }
        let known = before.map(|page| allocated(&page[..]));
        let mut page = before.map_or_else(|| self.page(region), |page| Box::new(*page));
        for (block, mark) in blocks_of(region).zip(page.iter_mut()) {
            if *mark == HOLE && self.is_written(block) {
                *mark = sum(&[0; BLOCK]);
            }
        }
        let before = known.unwrap_or_else(|| allocated(&page[..]));
        if synced {
            self.sync_data();
            for (_, cell) in self.data.range_mut(blocks_of(region)) {
                cell.lost = None;
            }
        }
        for (block, mark) in blocks_of(region).zip(page.iter_mut()) {
            let there = self.data.get(&block).and_then(|cell| cell.now().as_ref());
            *mark = match there.filter(|bytes| bytes.iter().any(|&byte| byte != 0)) {
                Some(bytes) => sum(bytes),
                None if *mark == HOLE => HOLE,
                None => sum(&[0; BLOCK]),
            };
        }
        self.store_sums(region, &page, None);
        for (block, mark) in blocks_of(region).zip(page.iter().copied()) {
            self.tell(block, mark);
        }
        DiskAnswer::Summed {
            page,
            before,
            lost: Vec::new(),
        }
    }

    /// Compares a region with its sums, or with `expected`.
    pub fn verify(&self, region: RegionIndex, expected: Option<&SumsPage>) -> DiskAnswer {
        let page = expected.map_or_else(|| self.page(region), |page| Box::new(*page));
        let of_region = blocks_of(region).zip(page.iter());
        let bad = |&(block, &sum): &(u32, &u32)| verify(&self.read(block), &[sum]).is_err();
        DiskAnswer::Verified {
            blocks: allocated(&page[..]),
            damaged: of_region
                .filter(bad)
                .map(|(block, _)| self.bad(block))
                .collect(),
        }
    }

    fn bad(&self, block: u32) -> BadBlock {
        BadBlock {
            block,
            found: sum(&self.read(block)),
        }
    }

    pub fn read_checked(&self, offset: u32, expected: &[u32], checked: bool) -> DiskResult {
        let first = offset / BLOCK as u32;
        let mut blocks = Vec::with_capacity(expected.len() * BLOCK);
        for block in first..first + expected.len() as u32 {
            blocks.extend_from_slice(&self.read(block));
        }
        if checked {
            let first = offset / BLOCK_SIZE as u32;
            let corrupt = |at: Mismatch| {
                let block = first + at.0 as u32;
                DiskFault::Corrupt(self.bad(block))
            };
            verify(&blocks, expected).map_err(corrupt)?;
        }
        Ok(DiskAnswer::Data(Bytes::from(blocks)))
    }

    pub fn zero(&mut self, offset: u32, length: u32, durable: bool, keep: bool) -> DiskAnswer {
        let count = length as usize / BLOCK;
        let mark = if keep { sum(&[0; BLOCK]) } else { HOLE };
        let marks = vec![mark; count];
        let first = offset / BLOCK as u32;
        self.put(first, &vec![None; count], &marks, durable);
        for block in first..first + count as u32 {
            self.write_sum(block, mark, false);
        }
        DiskAnswer::Sums(marks)
    }

    pub fn sync_data(&mut self) {
        self.data.values_mut().for_each(Cell::sync);
    }

    pub fn sync_sums(&mut self) {
        self.sums.values_mut().for_each(Cell::sync);
        self.header.sync();
    }

    pub fn cut(&mut self, rng: &mut SmallRng) {
        for cell in self.data.values_mut() {
            cell.cut(rng, torn);
        }
        for cell in self.sums.values_mut() {
            cell.cut(rng, |_, new, _| *new);
        }
        self.header.cut(rng, |_, new, _| *new);
    }
}

/// The blocks that `bytes` are.
pub(super) fn blocks(bytes: &Bytes) -> Vec<Block> {
    let block = |at| Some(bytes.slice(at..at + BLOCK));
    (0..bytes.len()).step_by(BLOCK).map(block).collect()
}

fn blocks_of(region: RegionIndex) -> std::ops::Range<u32> {
    let blocks = BLOCKS_PER_REGION as u32;
    let first = (region.0 % REGIONS_PER_EXTENT) as u32 * blocks;
    first..first + blocks
}

pub(super) fn region_of(extent: ExtentIndex, block: u32) -> RegionIndex {
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
