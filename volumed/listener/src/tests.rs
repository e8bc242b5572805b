//! The connection loop, with a volume in memory that answers when and where the test says.

use std::collections::VecDeque;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use volumed_client::{BlockDevice, ConnectError, DeviceError, Durability, NbdDevice};
use volumed_nbd::server::{Command, Refusal};

use super::exports::{Answer, Export, Exports, Refused};
use super::listener::{Limits, Listener, Sockets};
use super::metrics::Metrics;

mod limits;

const SIZE: usize = 64 << 20;
const MIB: usize = 1 << 20;

/// What all connections together may hold.
const MEMORY: usize = 48 * MIB;

/// How the volume answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// At once, on the connection's thread.
    Inline,
    /// On a thread of its own, the last submitted first.
    Thread,
    /// When the test calls [`Memory::let_go`].
    Held,
}

struct Memory {
    bytes: Mutex<Vec<u8>>,
    mode: Mode,
    held: Mutex<VecDeque<(Command, Answer)>>,
    /// Bytes of held writes: now, and at most so far.
    holding: Mutex<(usize, usize)>,
    exports_dropped: Mutex<usize>,
    /// How often the names were asked for.
    listed: Mutex<usize>,
    revoked: Notify,
}

struct MemoryExport(Arc<Memory>);

impl Drop for MemoryExport {
    fn drop(&mut self) {
        assert!(
            self.0.held.lock().unwrap().is_empty(),
            "dropped with requests under way"
        );
        *self.0.exports_dropped.lock().unwrap() += 1;
    }
}

impl Memory {
    fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(vec![0; SIZE]),
            mode,
            held: Mutex::default(),
            holding: Mutex::default(),
            exports_dropped: Mutex::default(),
            listed: Mutex::default(),
            revoked: Notify::new(),
        })
    }

    fn perform(&self, command: &Command) -> Bytes {
        let mut bytes = self.bytes.lock().unwrap();
        match command {
            Command::Read { offset, length } => {
                let start = *offset as usize;
                Bytes::copy_from_slice(&bytes[start..start + *length as usize])
            }
            Command::Write { offset, data, .. } => {
                let start = *offset as usize;
                bytes[start..start + data.len()].copy_from_slice(data);
                Bytes::new()
            }
            Command::Trim { offset, length, .. } | Command::WriteZeroes { offset, length, .. } => {
                let start = *offset as usize;
                bytes[start..start + *length as usize].fill(0);
                Bytes::new()
            }
            Command::Flush | Command::Cache { .. } | Command::BlockStatus { .. } => Bytes::new(),
        }
    }

    fn hold(&self, command: Command, answer: Answer) {
        let mut holding = self.holding.lock().unwrap();
        holding.0 += written(&command);
        holding.1 = holding.1.max(holding.0);
        self.held.lock().unwrap().push_back((command, answer));
    }

    /// Answers what is held, newest first; tells how many.
    fn let_go(&self) -> usize {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        let count = held.len();
        for (command, answer) in held.into_iter().rev() {
            self.holding.lock().unwrap().0 -= written(&command);
            answer(Ok(self.perform(&command)));
        }
        count
    }

    async fn until_held(&self, count: usize) {
        until(|| self.held.lock().unwrap().len() >= count).await;
    }
}

fn written(command: &Command) -> usize {
    match command {
        Command::Write { data, .. } => data.len(),
        _ => 0,
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Exports for Arc<Memory> {
    type Export = MemoryExport;

    async fn names(&self) -> Result<Vec<String>, Refused> {
        *self.listed.lock().unwrap() += 1;
        Ok((0..256).map(|number| format!("{number:04000}")).collect())
    }

    async fn size(&self, _: &str) -> Result<u64, Refused> {
        Ok(SIZE as u64)
    }

    async fn open(&self, name: &str) -> Result<MemoryExport, Refused> {
        if name == "memory" {
            return Ok(MemoryExport(self.clone()));
        }
        let sentence = format!("there is no {name}");
        Err(Refused {
            refusal: Refusal::Unknown,
            sentence,
        })
    }
}

impl Export for MemoryExport {
    fn size(&self) -> u64 {
        SIZE as u64
    }

    fn submit(&self, command: Command, answer: Answer) {
        match self.0.mode {
            Mode::Inline => answer(Ok(self.0.perform(&command))),
            Mode::Held => self.0.hold(command, answer),
            Mode::Thread => {
                self.0.hold(command, answer);
                let memory = self.0.clone();
                std::thread::spawn(move || memory.let_go());
            }
        }
    }

    async fn revoked(&self) {
        self.0.revoked.notified().await;
    }
}

struct Running {
    memory: Arc<Memory>,
    listener: Listener,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

fn start(mode: Mode) -> Running {
    start_with(mode, Duration::from_mins(5))
}

fn start_with(mode: Mode, patience: Duration) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("nbd.sock");
    let memory = Memory::new(mode);
    let sockets = Sockets {
        unix: UnixListener::bind(&socket).unwrap(),
        tcp: None,
    };
    let limits = Limits {
        threads: 2,
        memory: MEMORY as u64,
        patience,
        connections: 100,
        connections_per_address: 1,
    };
    let exports = Arc::new(memory.clone());
    let metrics = Arc::new(Metrics::new(&mut Registry::default()));
    let listener = Listener::start(sockets, &exports, limits, &metrics).unwrap();
    Running {
        memory,
        listener,
        socket,
        _folder: folder,
    }
}

impl Running {
    async fn connect(&self) -> Arc<NbdDevice> {
        Arc::new(NbdDevice::connect(&self.socket, "memory").await.unwrap())
    }

    async fn stop(self) {
        tokio::task::spawn_blocking(move || self.listener.stop())
            .await
            .unwrap();
    }
}

/// `length` bytes that say where they belong.
fn numbered(number: usize, length: usize) -> Bytes {
    (0..length)
        .map(|at| (number * 31 + at % 251) as u8)
        .collect()
}

async fn exercise(mode: Mode) {
    let running = start(mode);
    let device = running.connect().await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let device = device.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let length = if round == 19 { MIB } else { 5000 };
                    let data = numbered(number + round, length);
                    let offset = (number * MIB) as u64;
                    device
                        .write(offset, std::slice::from_ref(&data), Durability::Durable)
                        .await
                        .unwrap();
                    assert!(device.read(offset, length).await.unwrap() == data);
                }
                device.flush(device.session()).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    device.trim(0, 4096).await.unwrap();
    assert!(
        device
            .read(0, 4096)
            .await
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
    running.stop().await;
    assert_eq!(
        device.read(0, 1).await.unwrap_err(),
        DeviceError::Disconnected
    );
}

#[tokio::test]
async fn answers_given_at_once_arrive() {
    exercise(Mode::Inline).await;
}

#[tokio::test]
async fn answers_from_other_threads_in_another_order_arrive() {
    exercise(Mode::Thread).await;
}

#[tokio::test]
async fn an_absent_export_is_refused() {
    let running = start(Mode::Inline);
    let refusal = NbdDevice::connect(&running.socket, "absent")
        .await
        .unwrap_err();
    assert!(matches!(refusal, ConnectError::Refused { .. }), "{refusal}");
    running.stop().await;
}

#[tokio::test]
async fn a_connection_holds_no_more_than_its_budget() {
    let running = start(Mode::Held);
    let device = running.connect().await;
    let writes: Vec<_> = (0..60)
        .map(|number| {
            let device = device.clone();
            tokio::spawn(async move {
                let pieces = [numbered(number, MIB)];
                device
                    .write((number * MIB) as u64, &pieces, Durability::Volatile)
                    .await
            })
        })
        .collect();
    let mut answered = 0;
    while answered < 60 {
        running.memory.until_held(1).await;
        answered += running.memory.let_go();
    }
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let most = running.memory.holding.lock().unwrap().1;
    assert!(most > 0 && most <= 32 * MIB, "{most} bytes were in flight");
    running.stop().await;
}

#[tokio::test]
async fn a_revoked_connection_reads_no_more_and_lets_go_when_all_is_answered() {
    let running = start(Mode::Held);
    let device = running.connect().await;
    let write = |number: usize| {
        let device = device.clone();
        tokio::spawn(async move {
            let pieces = [numbered(number, 4096)];
            device
                .write((number * 4096) as u64, &pieces, Durability::Durable)
                .await
        })
    };
    let first = write(0);
    running.memory.until_held(1).await;
    running.memory.revoked.notify_one();
    // The connection learns of it before it reads what comes now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = write(1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        running.memory.held.lock().unwrap().len(),
        1,
        "read after it was revoked"
    );
    assert_eq!(*running.memory.exports_dropped.lock().unwrap(), 0);
    running.memory.let_go();
    assert_eq!(first.await.unwrap(), Ok(()));
    assert_eq!(second.await.unwrap(), Err(DeviceError::Disconnected));
    until(|| *running.memory.exports_dropped.lock().unwrap() == 1).await;
    running.stop().await;
}

/// V1: a client that does nothing but look must not count on what it read before.
#[tokio::test]
async fn a_connection_has_ended_when_its_export_is_dropped() {
    let running = start(Mode::Inline);
    let device = running.connect().await;
    assert!(device.is_connected());
    running.memory.revoked.notify_one();
    // Without a turn of the client's own tasks in between.
    while *running.memory.exports_dropped.lock().unwrap() == 0 {
        std::thread::yield_now();
    }
    assert!(!device.is_connected());
    running.stop().await;
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight() {
    let running = start(Mode::Held);
    let (device, memory) = (running.connect().await, running.memory.clone());
    let read = tokio::spawn({
        let device = device.clone();
        async move { device.read(0, 4096).await }
    });
    memory.until_held(1).await;
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stopping.is_finished());
    memory.let_go();
    assert_eq!(read.await.unwrap().unwrap().len(), 4096);
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let running = start(Mode::Held);
    let device = running.connect().await;
    let write = tokio::spawn({
        let device = device.clone();
        async move {
            device
                .write(0, &[numbered(1, MIB)], Durability::Durable)
                .await
        }
    });
    running.memory.until_held(1).await;
    write.abort();
    let _ = write.await;
    drop(device);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(*running.memory.exports_dropped.lock().unwrap(), 0);
    running.memory.let_go();
    until(|| *running.memory.exports_dropped.lock().unwrap() == 1).await;
    running.stop().await;
}
