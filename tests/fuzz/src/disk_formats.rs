//! What volumed writes to disks and into the store. The seal is made to fit, so that what is behind
//! the checksum is reached.

use crc_fast::{CrcAlgorithm, Digest};
use volumed_core::format::{
    DISK_STATE_SLOT_SIZE, DirtyLogRecord, DiskState, LOG_SLOT_SIZE, PROMISE_SLOT_SIZE,
    PlacementPage, PromiseRecord, SEAL_SIZE, SlotRecord, SumsHeader, decode_sums, newest,
};

/// Reads a sealed structure as each kind; what is read is written as it was.
pub fn sealed(data: &[u8]) {
    let bytes = seal(data);
    if let Ok(page) = PlacementPage::decode(&bytes) {
        let written = page.encode().expect("what was read can be written");
        assert_eq!(PlacementPage::decode(&written).as_ref(), Ok(&page));
    }
    slots::<PromiseRecord>(&bytes, PROMISE_SLOT_SIZE);
    slots::<DirtyLogRecord>(&bytes, LOG_SLOT_SIZE);
    slots::<DiskState>(&bytes, DISK_STATE_SLOT_SIZE);
    let mut page = bytes;
    page.resize(4096, 0);
    let _ = SumsHeader::decode(&page);
    let _ = decode_sums(&page);
}

fn slots<R: SlotRecord>(bytes: &[u8], size: u64) {
    let size = size as usize;
    let mut slot = bytes.to_vec();
    slot.resize(size, 0);
    let _ = R::decode(&slot);
    let _ = newest::<R>([&slot, &vec![0; size]]);
}

/// The bytes with length and checksum of the seal set.
pub fn seal(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().max(SEAL_SIZE), 0);
    let length = u32::try_from(bytes.len() - SEAL_SIZE).expect("inputs are small");
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&bytes[..12]);
    digest.update(&bytes[SEAL_SIZE..]);
    let crc = digest.finalize() as u32;
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}
