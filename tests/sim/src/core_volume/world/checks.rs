//! What must hold of the disks, whatever is on its way.

use bytes::Bytes;
use volumed_core::BLOCK_SIZE;
use volumed_core::head::RequestId;
use volumed_core::map::runs;

use super::clients::sectors;
use super::{Checked, World};

impl World {
    /// V5, after every disk operation.
    pub(super) fn check_marks(&self) -> Checked {
        let files = self.files();
        self.disks
            .values()
            .try_for_each(|disk| disk.check_marks(&files))
    }

    /// The runs of a map lie within what was asked about, and its holes read zero.
    pub(super) fn check_map(
        &self,
        id: RequestId,
        (offset, length): (u64, u32),
        answer: Bytes,
    ) -> Checked {
        let mut next = offset;
        for run in runs(answer) {
            let length = u64::from(run.length);
            if run.hole {
                self.model.hole(id.0, sectors(next, length))?;
            }
            next += length;
        }
        if next == offset || next > offset + u64::from(length) {
            return Err(format!(
                "a map of {length} bytes tells of {}",
                next - offset
            ));
        }
        Ok(())
    }

    /// When nothing is on its way: the accounts are right, and the replicas are equal (V3).
    pub(super) fn check_rest(&self) -> Checked {
        let files = self.files();
        for (number, disk) in &self.disks {
            let held = disk.allocated(&files);
            let counted = self.replicas[number].allocated();
            let used = self.spaces[number].used().0 / BLOCK_SIZE;
            if counted != held || used != held {
                return Err(format!(
                    "{held} blocks are held, {counted} counted, {used} accounted"
                ));
            }
        }
        let contents: Vec<_> = self
            .disks
            .values()
            .map(|disk| disk.contents(&files))
            .collect();
        if contents.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err("V3: the replicas differ".to_owned());
        }
        Ok(())
    }
}
