//! A device that keeps what is written in memory: opening an index writes, and a check must not.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::sync::Arc;
use volumed_client::{BlockDevice, DeviceError, Durability, Session};

use crate::format::layout::BLOCK;

/// A view of a device that takes writes without passing them on.
pub struct Overlay {
    below: Arc<dyn BlockDevice>,
    /// What was written, whole blocks by their number.
    written: Mutex<BTreeMap<u64, Bytes>>,
}

impl Overlay {
    pub fn new(below: Arc<dyn BlockDevice>) -> Self {
        let written = Mutex::default();
        Self { below, written }
    }
}

#[async_trait]
impl BlockDevice for Overlay {
    fn size(&self) -> u64 {
        self.below.size()
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        let bytes = self.below.read(offset, length).await?;
        let end = offset + length as u64;
        let written = self.written.lock();
        let mut touched = written
            .range(offset / BLOCK..end.div_ceil(BLOCK))
            .peekable();
        if touched.peek().is_none() {
            return Ok(bytes);
        }
        let mut bytes = BytesMut::from(bytes);
        for (block, held) in touched {
            let start = block * BLOCK;
            let (from, to) = (offset.max(start), end.min(start + BLOCK));
            let within = &held[(from - start) as usize..(to - start) as usize];
            bytes[(from - offset) as usize..(to - offset) as usize].copy_from_slice(within);
        }
        Ok(bytes.freeze())
    }

    async fn write(&self, offset: u64, pieces: &[Bytes], _: Durability) -> Result<(), DeviceError> {
        let bytes = pieces.concat();
        let end = offset + bytes.len() as u64;
        let (first, last) = (offset / BLOCK * BLOCK, end.next_multiple_of(BLOCK));
        let mut whole = BytesMut::from(self.read(first, (last - first) as usize).await?);
        whole[(offset - first) as usize..(end - first) as usize].copy_from_slice(&bytes);
        let whole = whole.freeze();
        let mut written = self.written.lock();
        for (at, block) in (first / BLOCK..last / BLOCK).enumerate() {
            let start = at * BLOCK as usize;
            written.insert(block, whole.slice(start..start + BLOCK as usize));
        }
        Ok(())
    }

    async fn flush(&self, _: Session) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        // What redb cuts off it does not read again; a copy of zeroes would only take memory.
        let blocks = offset.div_ceil(BLOCK)..(offset + length) / BLOCK;
        let mut written = self.written.lock();
        let gone: Vec<u64> = written.range(blocks).map(|it| *it.0).collect();
        for block in gone {
            written.remove(&block);
        }
        Ok(())
    }
}
