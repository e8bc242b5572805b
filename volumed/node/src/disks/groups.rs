//! Durable writes that wait for those before them on the same extent, to be committed together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskOp, DiskResult};

use crate::activity::DiskWork;
use crate::disks::PoolDisk;

type Done = Box<dyn FnOnce(DiskResult) + Send>;

/// A durable write, and who wants to know how it ended.
struct Write {
    op: DiskOp,
    done: Done,
}

/// The writes that wait, by extent. An extent is there while some of it are being committed.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<(VolumeId, ExtentFile), Vec<Write>>>);

impl PoolDisk {
    /// Commits a write once those to its extent that are being committed have ended, together with the
    /// others that wait for that.
    pub fn commit(
        self: &Arc<Self>,
        work: &DiskWork,
        (volume, file): (VolumeId, ExtentFile),
        op: DiskOp,
        done: impl FnOnce(DiskResult) + Send + 'static,
    ) {
        let done: Done = Box::new(done);
        let write = Write { op, done };
        match self.groups.0.lock().entry((volume, file)) {
            Entry::Occupied(waiting) => return waiting.into_mut().push(write),
            Entry::Vacant(none) => _ = none.insert(Vec::new()),
        }
        self.begin(work.clone(), (volume, file), vec![write]);
    }

    fn begin(self: &Arc<Self>, work: DiskWork, of: (VolumeId, ExtentFile), group: Vec<Write>) {
        let on = Arc::clone(self);
        self.pool.run(move || on.commit_all(work, of, group));
    }

    /// Commits one group after the other, but gives the thread away between them to whatever waits for
    /// one: else extents that are always written would leave none to the others.
    fn commit_all(
        self: &Arc<Self>,
        work: DiskWork,
        (volume, file): (VolumeId, ExtentFile),
        mut group: Vec<Write>,
    ) {
        while !group.is_empty() {
            let ops: Vec<&DiskOp> = group.iter().map(|write| &write.op).collect();
            let results = work.commit(&self.disk, volume, file, &ops);
            for (write, result) in group.into_iter().zip(results) {
                (write.done)(result);
            }
            group = self.groups.next(volume, file);
            if !group.is_empty() && self.pool.is_behind() {
                return self.begin(work, (volume, file), group);
            }
        }
    }
}

impl Groups {
    /// Those that wait, which are being committed from now on.
    fn next(&self, volume: VolumeId, file: ExtentFile) -> Vec<Write> {
        let mut groups = self.0.lock();
        let waiting = groups.get_mut(&(volume, file)).map(std::mem::take);
        let waiting = waiting.unwrap_or_default();
        if waiting.is_empty() {
            groups.remove(&(volume, file));
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use bytes::Bytes;
    use volumed_core::{Alloc, DiskNumber, ExtentIndex};
    use volumed_disk::{Disk, DiskSettings, SpaceSettings};

    use super::*;

    #[test]
    fn every_write_is_answered_and_nothing_is_left_behind() {
        const VOLUME: VolumeId = VolumeId(7);
        let folder = tempfile::tempdir().unwrap();
        let settings = DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        };
        let disk = Disk::open(settings).unwrap();
        let files = [1, 2].map(|extent| ExtentFile {
            extent: ExtentIndex(extent),
            alloc: Alloc(1),
        });
        disk.create_extents(VOLUME, &files).unwrap();
        let on = PoolDisk::new(DiskNumber(1), Arc::new(disk)).unwrap();
        let (done, ended) = channel();
        for write in 0..200 {
            let file = files[write as usize % 2];
            let op = DiskOp::Write {
                file,
                offset: write * 4096,
                data: Bytes::from(vec![1; 4096]),
                durable: true,
                first: None,
                last: None,
            };
            let done = done.clone();
            on.commit(&DiskWork::default(), (VOLUME, file), op, move |result| {
                done.send((write, result.is_ok())).unwrap();
            });
        }
        drop(done);
        let mut ended: Vec<_> = ended.iter().collect();
        ended.sort_unstable();
        let all: Vec<_> = (0..200).map(|write| (write, true)).collect();
        assert_eq!(ended, all);
        // The last one of each was answered before its extent was given up.
        while on.pool.is_busy() {
            std::thread::yield_now();
        }
        assert!(on.groups.0.lock().is_empty());
    }
}
