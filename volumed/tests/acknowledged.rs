//! kill -9 under 128 clients on four connections: every write and trim that was answered is there,
//! flushed or not, since the page cache outlives the daemon; of one that was not, each sector is as it was
//! before or as it would be after.
//!
//! More rounds: `HAYRACK_CRASH_ROUNDS=100 cargo test -p volumed --test acknowledged`.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use daemon::Daemon;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use volumed_client::{BlockDevice as _, DeviceError, Durability, NbdDevice};

const SECTOR: usize = 512;
/// No whole number of blocks: neighbours share one.
const SECTORS: usize = 1001;
const CONNECTIONS: usize = 4;
const DEPTH: usize = 32;

/// What a sector holds: nothing if 0, else the write that it is from.
type Tag = u64;

/// The bytes of a sector of the volume; every eight of them tell where they are from.
fn content(tag: Tag, sector: usize) -> Vec<u8> {
    let words = (0..SECTOR / 8).map(|word| match tag {
        0 => 0,
        tag => tag ^ ((sector * SECTOR / 8 + word) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    });
    words.flat_map(u64::to_le_bytes).collect()
}

/// A client with sectors of its own, of which it changes some at a time.
struct Client {
    first: usize,
    known: Vec<Tag>,
    /// What was not answered.
    pending: Option<(Range<usize>, Tag)>,
    last: Tag,
    rng: StdRng,
}

impl Client {
    fn new(index: usize, seed: u64) -> Self {
        Self {
            first: index * SECTORS,
            known: vec![0; SECTORS],
            pending: None,
            last: (index as u64 + 1) << 32,
            rng: StdRng::seed_from_u64(seed ^ index as u64),
        }
    }

    fn offset(&self, sector: usize) -> u64 {
        ((self.first + sector) * SECTOR) as u64
    }

    /// Changes its sectors until the daemon is gone; whoever brings `left` to 0 kills it.
    async fn work(
        mut self,
        device: Arc<NbdDevice>,
        daemon: Arc<Daemon>,
        left: Arc<AtomicI64>,
    ) -> Self {
        let mut answer = Ok(());
        while answer.is_ok() {
            answer = self.change(&device).await;
            if answer.is_ok() && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                daemon.signal(Signal::SIGKILL);
            }
        }
        assert_eq!(answer, Err(DeviceError::Disconnected));
        self
    }

    async fn change(&mut self, device: &NbdDevice) -> Result<(), DeviceError> {
        let start = self.rng.random_range(0..SECTORS);
        let end = self.rng.random_range(start + 1..=SECTORS.min(start + 128));
        let offset = self.offset(start);
        let durability = match self.rng.random_range(0..32) {
            0 => return device.flush(device.session()).await,
            1 | 2 => {
                self.pending = Some((start..end, 0));
                device.trim(offset, ((end - start) * SECTOR) as u64).await?;
                self.answered();
                return Ok(());
            }
            3..6 => Durability::Durable,
            _ => Durability::Volatile,
        };
        self.last += 1;
        let sectors = start..end;
        let data = sectors
            .clone()
            .map(|sector| content(self.last, self.first + sector));
        let data = Bytes::from(data.flatten().collect::<Vec<u8>>());
        self.pending = Some((sectors, self.last));
        device.write(offset, &[data], durability).await?;
        self.answered();
        Ok(())
    }

    fn answered(&mut self) {
        let (sectors, tag) = self.pending.take().unwrap();
        self.known[sectors].fill(tag);
    }

    /// Finds each sector as it must be, or as it may be.
    async fn check(&mut self, device: &NbdDevice) {
        let bytes = device.read(self.offset(0), SECTORS * SECTOR).await.unwrap();
        let pending = self.pending.take();
        for (sector, found) in bytes.chunks(SECTOR).enumerate() {
            let is = |tag| *found == content(tag, self.first + sector);
            let known = self.known[sector];
            if is(known) {
                continue;
            }
            match &pending {
                Some((sectors, tag)) if sectors.contains(&sector) && is(*tag) => {
                    self.known[sector] = *tag;
                }
                _ => panic!(
                    "sector {} holds {:x?}, not {known:x}; unanswered was {pending:x?}",
                    self.first + sector,
                    &found[..16],
                ),
            }
        }
    }
}

async fn connect(daemon: &Daemon) -> Vec<Arc<NbdDevice>> {
    let mut devices = Vec::new();
    for _ in 0..CONNECTIONS {
        let device = NbdDevice::connect(&daemon.nbd_socket(), "v").await;
        devices.push(Arc::new(device.unwrap()));
    }
    devices
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_a_kill() {
    let seed = number("HAYRACK_SEED").unwrap_or_else(|| rand::rng().random());
    println!("HAYRACK_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 30).await;
    let mut clients: Vec<_> = (0..CONNECTIONS * DEPTH)
        .map(|index| Client::new(index, seed))
        .collect();
    for round in 0..number("HAYRACK_CRASH_ROUNDS").unwrap_or(5) {
        let devices = connect(&daemon).await;
        let left = Arc::new(AtomicI64::new(rng.random_range(500..6_000)));
        println!("round {round}: {left:?} changes");
        let shared = Arc::new(daemon);
        let working: Vec<_> = clients
            .into_iter()
            .zip(devices.iter().cycle())
            .map(|(client, device)| {
                tokio::spawn(client.work(device.clone(), shared.clone(), left.clone()))
            })
            .collect();
        clients = Vec::new();
        for client in working {
            clients.push(client.await.unwrap());
        }
        daemon = Arc::into_inner(shared).unwrap().restart(Signal::SIGKILL);
        let devices = connect(&daemon).await;
        for (client, device) in clients.iter_mut().zip(devices.iter().cycle()) {
            client.check(device).await;
        }
    }
}
