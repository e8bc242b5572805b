//! A device in memory that answers at once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use volumed_client::{BlockDevice, DeviceError, Durability, Session};

const BLOCK: u64 = 4096;

/// What was written, block by block.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<u64, Box<[u8; BLOCK as usize]>>>);

#[async_trait]
impl BlockDevice for Memory {
    fn size(&self) -> u64 {
        1 << 60
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        let blocks = self.0.lock().expect("no panic under the lock");
        let mut bytes = BytesMut::zeroed(length);
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let within = (at % BLOCK) as usize;
            let take = (length - done).min(BLOCK as usize - within);
            if let Some(block) = blocks.get(&(at / BLOCK)) {
                bytes[done..done + take].copy_from_slice(&block[within..within + take]);
            }
            done += take;
        }
        Ok(bytes.freeze())
    }

    async fn write(&self, offset: u64, pieces: &[Bytes], _: Durability) -> Result<(), DeviceError> {
        let mut blocks = self.0.lock().expect("no panic under the lock");
        let mut at = offset;
        for mut piece in pieces.iter().map(|piece| &piece[..]) {
            while !piece.is_empty() {
                let within = (at % BLOCK) as usize;
                let take = piece.len().min(BLOCK as usize - within);
                let (bytes, rest) = piece.split_at(take);
                // What was never written reads zero, and takes no memory.
                if bytes.iter().all(|byte| *byte == 0) && !blocks.contains_key(&(at / BLOCK)) {
                    piece = rest;
                    at += take as u64;
                    continue;
                }
                let block = blocks
                    .entry(at / BLOCK)
                    .or_insert_with(|| Box::new([0; 4096]));
                block[within..within + take].copy_from_slice(bytes);
                piece = rest;
                at += take as u64;
            }
        }
        Ok(())
    }

    async fn flush(&self, _: Session) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn trim(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}
