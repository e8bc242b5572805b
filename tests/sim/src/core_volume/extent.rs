//! The files of an extent on a simulated disk, block by block.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::replica::{DiskAnswer, DiskFault, DiskResult};
use volumed_core::sums::{HOLE, SumsPage, allocated, merge, sum, sums, verify};
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

const BLOCK: usize = BLOCK_SIZE as usize;

/// A value that is written in place, of which the newest durable version and those after it are
/// known.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell<T> {
    pub durable: T,
    pub unsynced: Vec<T>,
}

impl<T: Clone> Cell<T> {
    pub fn now(&self) -> &T {
        self.unsynced.last().unwrap_or(&self.durable)
    }

    pub fn write(&mut self, value: T, durable: bool) {
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
pub(super) struct Extent {
    pub data: BTreeMap<u32, Cell<Block>>,
    pub sums: BTreeMap<u32, Cell<u32>>,
    pub header: Cell<u32>,
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
            self.data
                .entry(at)
                .or_default()
                .write(block.clone(), durable);
            self.sums.entry(at).or_default().write(mark, false);
        }
    }

    pub fn write(
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

    /// Takes what is there for good.
    pub fn resum(&mut self, region: RegionIndex, before: Option<&SumsPage>) -> DiskAnswer {
        self.sync_data();
        let before = before.map_or_else(|| self.page(region), |page| Box::new(*page));
        let mut page = before.clone();
        for (block, mark) in blocks_of(region).zip(page.iter_mut()) {
            let there = self.data.get(&block).and_then(|cell| cell.now().as_ref());
            *mark = match there.filter(|bytes| bytes.iter().any(|&byte| byte != 0)) {
                Some(bytes) => sum(bytes),
                None if *mark == HOLE => HOLE,
                None => sum(&[0; BLOCK]),
            };
        }
        for (block, &mark) in blocks_of(region).zip(page.iter()) {
            if self.sum(block) != mark {
                self.sums.entry(block).or_default().write(mark, false);
            }
        }
        let before = Some(allocated(&before[..]));
        DiskAnswer::Page { page, before }
    }

    pub fn read_checked(&self, offset: u32, expected: &[u32]) -> DiskResult {
        let first = offset / BLOCK as u32;
        let mut blocks = Vec::with_capacity(expected.len() * BLOCK);
        for block in first..first + expected.len() as u32 {
            blocks.extend_from_slice(&self.read(block));
        }
        verify(&blocks, expected).map_err(|_| DiskFault::Corrupt)?;
        Ok(DiskAnswer::Data(Bytes::from(blocks)))
    }

    pub fn zero(&mut self, offset: u32, length: u32, durable: bool, keep: bool) -> DiskAnswer {
        let count = length as usize / BLOCK;
        let mark = if keep { sum(&[0; BLOCK]) } else { HOLE };
        let marks = vec![mark; count];
        self.put(offset / BLOCK as u32, &vec![None; count], &marks, durable);
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
