//! A disk of the node while it serves, with the threads that may wait for it.

use std::io;
use std::sync::Arc;

use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskOp, DiskResult};
use volumed_core::{DiskNumber, VolumeId};
use volumed_disk::Disk;

use super::groups::{Done, Groups, Write};
use super::pool::Pool;
use super::work::DiskWork;

/// A disk while it serves. One that was taken back after it failed is another one, with the same
/// number: nothing that was begun on the one before comes to its end on it.
pub(crate) struct PoolDisk {
    pub number: DiskNumber,
    pub disk: Arc<Disk>,
    /// The threads that may wait for it.
    pub pool: Pool,
    pub groups: Groups,
}

impl PoolDisk {
    pub fn new(number: DiskNumber, disk: Arc<Disk>) -> io::Result<Arc<Self>> {
        let pool = Pool::start(number)?;
        Ok(Arc::new(Self {
            number,
            disk,
            pool,
            groups: Groups::default(),
        }))
    }

    /// Commits a write once those to its extent that are being committed have ended, together with the
    /// others that wait for that.
    pub fn commit(
        self: &Arc<Self>,
        work: &DiskWork,
        of: (VolumeId, ExtentFile),
        op: DiskOp,
        done: impl FnOnce(DiskResult) + Send + 'static,
    ) {
        let done: Done = Box::new(done);
        if let Some(first) = self.groups.add(of, Write { op, done }) {
            self.begin(work.clone(), of, vec![first]);
        }
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
            group = self.groups.next((volume, file));
            if !group.is_empty() && self.pool.is_behind() {
                return self.begin(work, (volume, file), group);
            }
        }
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
        assert!(on.groups.is_empty());
    }
}
