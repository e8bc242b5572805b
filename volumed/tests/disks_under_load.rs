//! Disks join, fail and are taken back while volumes are written to all the time.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::task::JoinHandle;
use volumed_client::admin::{AddDisk, DiskInfo, DiskState, DrainState};
use volumed_client::{BlockDevice, Durability, NbdDevice};

use daemon::{Daemon, pattern};

const MIB: u64 = 1 << 20;
const SLOT: usize = 16 << 10;
const BLOCK: usize = 4096;

/// Slots of an extent that are used: a writer needs a new extent again and again.
const SLOTS: u64 = 4;

/// How long a writer may take for what it is waited for: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_mins(5);

/// What each slot may hold: what was acknowledged last, or anything later that was not.
type Written = BTreeMap<u64, Vec<u64>>;

/// Writes durably to a volume, new extents and old, until it is told to stop.
struct Writer {
    volume: String,
    acknowledged: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    writing: JoinHandle<Written>,
}

/// The seed of what was never written.
const NOTHING: u64 = 0;

fn content(seed: u64) -> Vec<u8> {
    if seed == NOTHING {
        vec![0; SLOT]
    } else {
        pattern(seed, SLOT)
    }
}

fn offset(slot: u64) -> u64 {
    slot / SLOTS * 64 * MIB + slot % SLOTS * MIB
}

impl Writer {
    fn start(socket: PathBuf, volume: &str) -> Self {
        let (acknowledged, refused) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let stop = Arc::<AtomicBool>::default();
        let counts = (acknowledged.clone(), refused.clone());
        let (name, stopped) = (volume.to_owned(), stop.clone());
        Self {
            volume: volume.to_owned(),
            acknowledged,
            refused,
            stop,
            writing: tokio::spawn(write_all_the_time(socket, name, counts, stopped)),
        }
    }

    fn refusals(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes are acknowledged.
    async fn goes_on(&self, writes: u64, daemon: &Daemon) {
        until_higher(&self.acknowledged, writes, daemon).await;
    }

    async fn is_refused(&self, daemon: &Daemon) {
        until_higher(&self.refused, 1, daemon).await;
    }

    async fn end(self) -> (String, Written) {
        self.stop.store(true, Ordering::Relaxed);
        (self.volume, self.writing.await.unwrap())
    }
}

async fn until_higher(count: &AtomicU64, by: u64, daemon: &Daemon) {
    let (reached, deadline) = (
        count.load(Ordering::Relaxed) + by,
        Instant::now() + PATIENCE,
    );
    while count.load(Ordering::Relaxed) < reached {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn write_all_the_time(
    socket: PathBuf,
    volume: String,
    (acknowledged, refused): (Arc<AtomicU64>, Arc<AtomicU64>),
    stop: Arc<AtomicBool>,
) -> Written {
    let mut written = Written::new();
    let mut device = None;
    for seed in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let connected = match device.take() {
            Some(connected) => Ok(connected),
            None => NbdDevice::connect(&socket, &volume).await,
        };
        let Ok(connected) = connected else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        // Every other time a slot that was written before.
        let used = written.len() as u64;
        let slot = if seed % 2 == 0 {
            seed * 7919 % used.max(1)
        } else {
            used
        };
        let candidates = written.entry(slot).or_insert_with(|| vec![NOTHING]);
        candidates.push(seed);
        let parts = [bytes::Bytes::from(content(seed))];
        let outcome = connected.write(offset(slot), &parts, Durability::Durable);
        if outcome.await.is_ok() {
            *candidates = vec![seed];
            acknowledged.fetch_add(1, Ordering::Relaxed);
            device = Some(connected);
        } else {
            refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    written
}

/// Every acknowledged write is there, or what was to be written over it since.
async fn check(daemon: &Daemon, (volume, written): &(String, Written)) {
    let device = NbdDevice::connect(&daemon.nbd_socket(), volume)
        .await
        .unwrap();
    for (&slot, candidates) in written {
        let found = device.read(offset(slot), SLOT).await.unwrap();
        let candidates: Vec<_> = candidates.iter().map(|&seed| content(seed)).collect();
        for (at, block) in found.chunks(BLOCK).enumerate() {
            let here = at * BLOCK..(at + 1) * BLOCK;
            assert!(
                candidates.iter().any(|it| &it[here.clone()] == block),
                "block {at} of slot {slot} of {volume}"
            );
        }
    }
}

async fn check_all(daemon: Daemon, writers: Vec<Writer>) {
    let mut all = Vec::new();
    for writer in writers {
        all.push(writer.end().await);
    }
    for written in &all {
        check(&daemon, written).await;
    }
    let daemon = daemon.restart(Signal::SIGKILL);
    for written in &all {
        check(&daemon, written).await;
    }
}

async fn writers(daemon: &Daemon) -> Vec<Writer> {
    let mut writers = Vec::new();
    for volume in ["v", "w"] {
        daemon.create(volume, 1 << 40).await;
        writers.push(Writer::start(daemon.nbd_socket(), volume));
    }
    writers
}

async fn all_go_on(writers: &[Writer], daemon: &Daemon) {
    for writer in writers {
        writer.goes_on(60, daemon).await;
    }
}

async fn add(daemon: &Daemon, name: &str) -> DiskInfo {
    let wanted = AddDisk {
        path: daemon.folder().join(name),
        capacity: None,
        reserve: Some(0),
    };
    let added = daemon.admin().add_disk(&wanted).await.unwrap();
    assert_eq!(added.state, DiskState::Online);
    added
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disks_are_added_under_load_and_no_write_is_refused() {
    let daemon = Daemon::start();
    let writers = writers(&daemon).await;
    all_go_on(&writers, &daemon).await;
    for name in ["second", "third"] {
        let added = add(&daemon, name).await;
        all_go_on(&writers, &daemon).await;
        let disk = daemon.admin().show_disk(&added.id).await.unwrap();
        assert!(disk.used > 0, "nothing is placed on it");
    }
    assert_eq!(writers.iter().map(Writer::refusals).sum::<u64>(), 0);
    check_all(daemon, writers).await;
}

/// Has the disk fail whose file of a volume's dirty log cannot be written (V5, V8), under writers; then
/// takes it back.
async fn fail_and_take_back(daemon: &Daemon, disk: &DiskInfo, writers: &[Writer]) {
    let log = disk.path.join("volumes/v00000001/dirty");
    let aside = log.with_file_name("aside");
    std::fs::rename(&log, &aside).unwrap();
    std::fs::create_dir(&log).unwrap();
    writers[0].is_refused(daemon).await;
    let failed = daemon.admin().show_disk(&disk.id).await.unwrap();
    assert_eq!(failed.state, DiskState::Failed);
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&aside, &log).unwrap();
    let back = daemon.admin().retry_disk(&disk.id).await.unwrap();
    assert_eq!(back.state, DiskState::Online);
    all_go_on(writers, daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disks_fail_and_are_taken_back_under_load_and_keep_what_was_acknowledged() {
    let daemon = Daemon::start();
    let added = add(&daemon, "second").await;
    let first = daemon.admin().disks().await.unwrap();
    let first = first.into_iter().find(|disk| disk.id != added.id).unwrap();
    let writers = writers(&daemon).await;
    all_go_on(&writers, &daemon).await;
    for disk in [&first, &added, &first] {
        fail_and_take_back(&daemon, disk, &writers).await;
    }
    let disks = daemon.admin().disks().await.unwrap();
    assert!(disks.iter().all(|disk| disk.state == DiskState::Online));
    check_all(daemon, writers).await;
}

/// Waits until nothing is left on a disk.
async fn drained(daemon: &Daemon, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let disk = daemon.admin().show_disk(id).await.unwrap();
        let drain = disk.drain.unwrap();
        if drain.state == DrainState::Drained {
            return assert_eq!(disk.used, 0);
        }
        assert!(Instant::now() < deadline, "{drain:?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_drained_under_load_and_removed() {
    let daemon = Daemon::start();
    let first = daemon.admin().disks().await.unwrap().remove(0);
    let writers = writers(&daemon).await;
    all_go_on(&writers, &daemon).await;
    add(&daemon, "second").await;
    let draining = daemon.admin().drain_disk(&first.id).await.unwrap();
    assert!(draining.drain.is_some());
    // What is there cannot be removed before.
    daemon
        .admin()
        .remove_disk(&first.id, false)
        .await
        .unwrap_err();
    drained(&daemon, &first.id).await;
    all_go_on(&writers, &daemon).await;
    daemon.admin().remove_disk(&first.id, false).await.unwrap();
    all_go_on(&writers, &daemon).await;
    let left = daemon.admin().disks().await.unwrap();
    assert!(left.iter().all(|disk| disk.id != first.id));
    assert_eq!(writers.iter().map(Writer::refusals).sum::<u64>(), 0);
    // The settings still name it: the start passes it over.
    check_all(daemon, writers).await;
}
