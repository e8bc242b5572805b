//! What the volume's extents hold is noted on this node's disks: when the volume was settled, and now and then
//! while it is in use, so that the start after a power cut looks only at volumes that were written to.

use std::collections::BTreeMap;
use std::sync::Arc;

use volumed_core::DiskNumber;
use volumed_core::format::HeldRecord;

use crate::disks::PoolDisk;
use crate::machine::Machine;

/// Ticks between notes of a volume that is in use.
const EVERY: u32 = 600;

/// Fewer extents are looked at as soon.
const WORTH_A_NOTE: usize = 64;

#[derive(Default)]
pub(super) struct Notes {
    ticks: u32,
    /// The dirty log's sequence of the newest note on each disk.
    noted: BTreeMap<DiskNumber, u64>,
}

type Note = (Arc<PoolDisk>, HeldRecord);

impl Machine {
    /// Notes what is held, where that was not done yet.
    pub async fn note_held(&self) {
        let notes = self.notes();
        let noted = tokio::task::spawn_blocking(move || notes.iter().for_each(write));
        // Nothing relies on it.
        let _ = noted.await;
    }

    /// A tick went by.
    pub(super) fn note_held_now_and_then(&self) {
        {
            let mut state = self.state.lock();
            state.notes.ticks += 1;
            if state.notes.ticks < EVERY {
                return;
            }
            state.notes.ticks = 0;
        }
        for note in self.notes() {
            let on = Arc::clone(&note.0);
            on.pool.run(move || write(&note));
        }
    }

    /// What is to be noted.
    fn notes(&self) -> Vec<Note> {
        let mut state = self.state.lock();
        let mut notes = Vec::new();
        let noted = &state.notes.noted;
        for (disk, held) in &state.replicas {
            let note = held.replica.note();
            let worth = |it: &HeldRecord| {
                it.extents.len() >= WORTH_A_NOTE && noted.get(disk) != Some(&it.sequence)
            };
            if let Some(note) = note.filter(worth) {
                notes.push((Arc::clone(&held.on), note));
            }
        }
        let sequences = notes.iter().map(|(on, note)| (on.number, note.sequence));
        state.notes.noted.extend(sequences);
        notes
    }
}

fn write((on, note): &Note) {
    if !on.disk.failed() {
        on.disk.note(note);
    }
}
