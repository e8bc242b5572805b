//! What a device holds, and what is on its way there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub const BLOCK: u64 = 4096;
pub const SECTOR: usize = 512;
pub const SECTORS: usize = BLOCK as usize / SECTOR;

pub type Block = [u8; BLOCK as usize];

/// What survives a power cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    blocks: BTreeMap<u64, Arc<Block>>,
}

/// What a write left in a block.
pub struct Pending {
    pub write: u64,
    /// The sectors it wrote.
    pub sectors: Range<usize>,
    /// The block as it left it.
    pub block: Arc<Block>,
}

impl Image {
    /// A block, if it was ever written.
    pub fn get(&self, block: u64) -> Option<&Arc<Block>> {
        self.blocks.get(&block)
    }

    /// The numbers of blocks in `range` that are not zero.
    pub fn written(&self, range: Range<u64>) -> impl Iterator<Item = u64> {
        let held = self.blocks.range(range);
        held.filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0))
            .map(|(block, _)| *block)
    }

    /// How many blocks of `range` are not zero.
    pub fn allocated(&self, range: Range<u64>) -> usize {
        self.written(range).count()
    }

    /// Makes a block as if it had never been written.
    pub fn erase(&mut self, block: u64) {
        self.blocks.remove(&block);
    }

    /// Flips a bit in a block, behind the header of a group, if it was ever written.
    pub fn damage(&mut self, block: u64) {
        if let Some(block) = self.blocks.get_mut(&block) {
            Arc::make_mut(block)[200] ^= 1;
        }
    }

    /// Takes over those sectors of a write that `which` names.
    pub fn put(&mut self, block: u64, write: &Pending, which: impl Fn(usize) -> bool) {
        let block = self
            .blocks
            .entry(block)
            .or_insert_with(|| Arc::new([0; BLOCK as usize]));
        if write.sectors == (0..SECTORS) && (0..SECTORS).all(&which) {
            *block = write.block.clone();
            return;
        }
        for sector in write.sectors.clone().filter(|sector| which(*sector)) {
            let bytes = sector * SECTOR..(sector + 1) * SECTOR;
            Arc::make_mut(block)[bytes.clone()].copy_from_slice(&write.block[bytes]);
        }
    }
}

/// Moves a block's writes up to number `up_to` into the durable image.
pub fn settle(durable: &mut Image, block: u64, writes: &mut Vec<Pending>, up_to: u64) {
    let later = writes.partition_point(|write| write.write <= up_to);
    for write in writes.drain(..later) {
        durable.put(block, &write, |_| true);
    }
}
