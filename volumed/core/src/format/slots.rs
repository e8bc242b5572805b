//! Two slots written in turn: a torn write harms only the slot that was not the newest.

use super::FormatError;

/// A record that is written into two slots in turn.
pub trait SlotRecord: Sized {
    /// Grows by one with every write; the record goes to the slot `sequence % 2`.
    fn sequence(&self) -> u64;
    /// The record's bytes.
    fn encode(&self) -> Vec<u8>;
    /// Reads the record off the front of a slot.
    fn decode(slot: &[u8]) -> Result<Self, FormatError>;
}

/// What two slots hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slots<R> {
    /// No write was ever finished.
    Fresh,
    /// The newest record.
    Newest(R),
    /// Both slots were written and neither can be read.
    Damaged,
}

/// Reads both slots. A slot that was never written is empty or zero.
///
/// One damaged slot beside an empty one is the first write, torn: nothing relied on it yet.
pub fn newest<R: SlotRecord>(slots: [&[u8]; 2]) -> Result<Slots<R>, FormatError> {
    let mut empty = false;
    let mut found: Option<R> = None;
    for slot in slots {
        match R::decode(slot) {
            Ok(record)
                if found
                    .as_ref()
                    .is_none_or(|r| r.sequence() < record.sequence()) =>
            {
                found = Some(record);
            }
            Ok(_) => {}
            Err(FormatError::Damaged) => empty |= slot.iter().all(|&byte| byte == 0),
            // V1, V5: what a newer program wrote last counts, though it cannot be read.
            Err(newer) => return Err(newer),
        }
    }
    Ok(match found {
        Some(record) => Slots::Newest(record),
        None if empty => Slots::Fresh,
        None => Slots::Damaged,
    })
}

#[cfg(test)]
mod tests {
    use super::super::PromiseRecord;
    use super::{SlotRecord, Slots, newest};
    use crate::{Epoch, VolumeId};

    fn record(sequence: u64) -> PromiseRecord {
        PromiseRecord {
            sequence,
            volume: VolumeId(1),
            epoch: Epoch(sequence * 3),
        }
    }

    #[test]
    fn the_newest_readable_slot_wins() {
        let (one, two) = (record(1).encode(), record(2).encode());
        let torn = &two[..20];
        let zero = vec![0; 4096];
        let read = |a: &[u8], b: &[u8]| newest::<PromiseRecord>([a, b]).unwrap();
        assert_eq!(read(&two, &one), Slots::Newest(record(2)));
        assert_eq!(read(torn, &one), Slots::Newest(record(1)));
        assert_eq!(read(&zero, torn), Slots::Fresh);
        assert_eq!(read(&[], &zero), Slots::Fresh);
        assert_eq!(read(torn, torn), Slots::Damaged);
    }
}
