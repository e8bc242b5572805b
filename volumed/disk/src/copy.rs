//! Blocks that are copied to another disk as they are, damaged or not.

use volumed_core::chunk::Chunk;
use volumed_core::digest;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{BadBlock, DiskAnswer, DiskFault, DiskResult};
use volumed_core::sums::HOLE;
use volumed_core::{BLOCK_SIZE, VolumeId};

use crate::Disk;

impl Disk {
    pub(crate) fn fetch(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        offset: u32,
        sums: &[u32],
    ) -> DiskResult {
        let extent = self.extent(volume, file)?;
        let mut blocks = self.buffers.take(sums.len() * BLOCK_SIZE as usize);
        let read = extent.read(offset, &mut blocks);
        read.map_err(|error| self.fault(&error))?;
        Ok(DiskAnswer::Data(Chunk::pack(sums, &blocks)))
    }

    pub(crate) fn store(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        offset: u32,
        chunk: &Chunk,
    ) -> DiskResult {
        let first = offset / BLOCK_SIZE as u32;
        if let Some(block) = chunk.changed_on_the_way() {
            let block = first + block;
            tracing::error!(disk = %self.id(), %volume, block, "a block changed while it was copied");
            return Err(DiskFault::Corrupt(BadBlock { block, found: HOLE }));
        }
        let extent = self.extent(volume, file)?;
        for (at, run) in chunk.runs() {
            let offset = offset + at * BLOCK_SIZE as u32;
            let written = extent.write(offset, &run, false);
            written.map_err(|error| self.write_fault(&error))?;
        }
        Ok(DiskAnswer::Sums(chunk.sums.clone()))
    }

    pub(crate) fn digest(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        offset: u32,
        sums: &[u32],
    ) -> DiskResult {
        let extent = self.extent(volume, file)?;
        let mut blocks = self.buffers.take(sums.len() * BLOCK_SIZE as usize);
        let read = extent.read(offset, &mut blocks);
        read.map_err(|error| self.fault(&error))?;
        Ok(DiskAnswer::Data(digest::pack(sums, &blocks).into()))
    }

    /// As [`store`](Self::store), over whatever is there.
    pub(crate) fn replace(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        offset: u32,
        chunk: &Chunk,
    ) -> DiskResult {
        let stored = self.store(volume, file, offset, chunk)?;
        let extent = self.extent(volume, file)?;
        let block = BLOCK_SIZE as u32;
        for (at, count) in chunk.holes() {
            let punched = extent.punch(offset + at * block, count * block);
            punched.map_err(|error| self.write_fault(&error))?;
        }
        Ok(stored)
    }
}
