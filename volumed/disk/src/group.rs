//! Group commit: durable writes to one extent that are under way together share one sync.

use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskOp, DiskResult};

use crate::Disk;

/// The longest write that is worth sharing a sync, in bytes: a longer one keeps the disk busy by itself.
const SHORT: usize = 64 << 10;

/// More bytes of others that wait for a sync than this would make the group wait for them, in bytes.
const WAITING: u64 = 1 << 20;

impl Disk {
    /// The extent with whose other durable writes this operation had better be [committed](Self::commit).
    pub fn group_of(&self, volume: VolumeId, op: &DiskOp) -> Option<ExtentFile> {
        match op {
            DiskOp::Write {
                file,
                data,
                durable: true,
                ..
            } if data.len() <= SHORT && self.files.is_at_hand(volume, *file) => {
                let extent = self.files.get(volume, *file).ok()?;
                (extent.waiting() <= WAITING).then_some(*file)
            }
            _ => None,
        }
    }

    /// Runs durable writes to one extent, of none of which another waits, and syncs once for all of them.
    /// Answers the result of each.
    pub fn commit(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        writes: &[&DiskOp],
    ) -> Vec<DiskResult> {
        if let [alone] = writes {
            // That syncs its own bytes only.
            return vec![self.run(volume, alone)];
        }
        let extent = match self.extent(volume, file) {
            Ok(extent) => extent,
            Err(fault) => return vec![Err(fault); writes.len()],
        };
        let run = |op: &&DiskOp| self.run(volume, &in_the_page_cache(op));
        let mut results: Vec<_> = writes.iter().map(run).collect();
        if let Err(error) = extent.sync_data() {
            // V8: none of them is known to be durable.
            let fault = self.fail(&error);
            for written in results.iter_mut().filter(|result| result.is_ok()) {
                *written = Err(fault);
            }
        }
        results
    }
}

/// The same write, of which nothing is durable yet.
fn in_the_page_cache(op: &DiskOp) -> DiskOp {
    let mut op = op.clone();
    if let DiskOp::Write { durable, .. } = &mut op {
        *durable = false;
    }
    op
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use volumed_core::replica::{DiskAnswer, DiskFault};
    use volumed_core::sums::sums;
    use volumed_core::{Alloc, BLOCK_SIZE, ExtentIndex};

    use super::*;
    use crate::{DiskSettings, SpaceSettings};

    const VOLUME: VolumeId = VolumeId(7);
    const FILE: ExtentFile = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(1),
    };

    fn disk(folder: &tempfile::TempDir) -> Disk {
        let settings = DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        };
        let disk = Disk::open(settings).expect("a disk");
        disk.create_extents(VOLUME, &[FILE]).expect("an extent");
        disk
    }

    fn write(block: u32, length: usize, durable: bool, first: Option<u32>) -> DiskOp {
        DiskOp::Write {
            file: FILE,
            offset: block * BLOCK_SIZE as u32,
            data: Bytes::from(vec![block as u8; length]),
            durable,
            first,
            last: None,
        }
    }

    #[test]
    fn each_write_of_a_group_has_its_own_result() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(&folder);
        let (whole, part) = (BLOCK_SIZE as usize, 100);
        // Nothing there has such a sum.
        let damaged = write(2, part, true, Some(7));
        let group = [
            &write(1, whole, true, None),
            &damaged,
            &write(3, whole, true, None),
        ];
        let results = disk.commit(VOLUME, FILE, &group);
        let written = |block: u8| Ok(DiskAnswer::Sums(sums(&vec![block; whole])));
        assert_eq!((&results[0], &results[2]), (&written(1), &written(3)));
        assert!(
            matches!(results[1], Err(DiskFault::Corrupt(_))),
            "{results:?}"
        );
        let extent = disk.extent(VOLUME, FILE).expect("open");
        assert!(!extent.unsynced());
    }

    #[test]
    fn nothing_is_acknowledged_on_a_disk_that_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(&folder);
        disk.fail(&std::io::Error::other("a sync failed"));
        let (one, two) = (write(1, 4096, true, None), write(2, 4096, true, None));
        for group in [&[&one][..], &[&one, &two]] {
            let results = disk.commit(VOLUME, FILE, group);
            assert_eq!(results, vec![Err(DiskFault::Sync); group.len()]);
        }
    }

    #[test]
    fn short_durable_writes_are_gathered_while_little_else_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(&folder);
        let durable = write(0, 4096, true, None);
        assert_eq!(disk.group_of(VOLUME, &durable), Some(FILE));
        assert_eq!(disk.group_of(VOLUME, &write(0, 4096, false, None)), None);
        assert_eq!(
            disk.group_of(VOLUME, &write(0, SHORT + 1, true, None)),
            None
        );
        let much = write(0, WAITING as usize + 1, false, None);
        disk.run(VOLUME, &much).expect("written");
        assert_eq!(disk.group_of(VOLUME, &durable), None);
        disk.run(VOLUME, &DiskOp::Sync { files: vec![FILE] })
            .expect("synced");
        assert_eq!(disk.group_of(VOLUME, &durable), Some(FILE));
    }
}
