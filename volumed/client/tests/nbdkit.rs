//! The device against nbdkit, a server that is not ours.
#![allow(clippy::unwrap_used)]

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use volumed_client::{BlockDevice, ConnectError, DeviceError, Durability, NbdDevice};

const SIZE: usize = 256 << 20;

/// Long enough for the slowest machine; no test waits for it unless nbdkit does not start.
const PATIENCE: Duration = Duration::from_secs(30);

struct Nbdkit {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Nbdkit {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("nbd.sock");
        let child = Command::new("nbdkit")
            .args(["--foreground", "--exit-with-parent", "--unix"])
            .arg(&socket)
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .expect("nbdkit is installed");
        let server = Self {
            child,
            socket,
            _folder: folder,
        };
        // The socket is there before anybody listens on it.
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&server.socket).is_err() {
            assert!(Instant::now() < deadline, "nbdkit did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn memory() -> Self {
        Self::start(&["memory", &SIZE.to_string()])
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Nbdkit {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

async fn connect(socket: &Path) -> NbdDevice {
    NbdDevice::connect(socket, "any").await.unwrap()
}

/// Bytes that differ from place to place.
fn pattern(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next)
        .flatten()
        .take(length)
        .collect::<Vec<u8>>()
        .into()
}

#[tokio::test]
async fn what_is_written_is_read() {
    let server = Nbdkit::memory();
    let device = connect(&server.socket).await;
    assert_eq!(device.size(), SIZE as u64);
    let pieces = [pattern(1, 5), Bytes::new(), pattern(2, 70_000)];
    device
        .write(4093, &pieces, Durability::Durable)
        .await
        .unwrap();
    device.flush(device.session()).await.unwrap();
    let read = device.read(4093, 70_005).await.unwrap();
    assert_eq!(read, pieces.concat());
    device.trim(0, SIZE as u64).await.unwrap();
    assert!(
        device
            .read(4093, 70_005)
            .await
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
    assert!(device.read(17, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_above_the_limit_are_split() {
    let server = Nbdkit::memory();
    let device = connect(&server.socket).await;
    let data = pattern(3, 40 << 20);
    let pieces = [data.slice(..1 << 20), data.slice(1 << 20..)];
    device
        .write(12_345, &pieces, Durability::Volatile)
        .await
        .unwrap();
    assert!(device.read(12_345, data.len()).await.unwrap() == data);
}

#[tokio::test]
async fn many_calls_are_in_flight_at_once() {
    let server = Nbdkit::memory();
    let device = Arc::new(connect(&server.socket).await);
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let device = device.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let length = if task % 8 == 0 { 1 << 20 } else { 4096 };
                    let data = pattern(task * 1000 + round, length);
                    let offset = task << 20;
                    let pieces = [data.clone()];
                    device
                        .write(offset, &pieces, Durability::Volatile)
                        .await
                        .unwrap();
                    assert!(device.read(offset, length).await.unwrap() == data);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn threads_without_a_runtime_may_call() {
    let server = Nbdkit::memory();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let device = Arc::new(runtime.block_on(connect(&server.socket)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = std::thread::spawn(move || runtime.block_on(stopped));
    let callers: Vec<_> = (0..4_u64)
        .map(|caller| {
            let device = device.clone();
            std::thread::spawn(move || {
                for round in 0..50 {
                    let data = pattern(caller * 100 + round, 200_000);
                    let pieces = [data.clone()];
                    let write = device.write(caller << 20, &pieces, Durability::Durable);
                    futures::executor::block_on(write).unwrap();
                    let read = device.read(caller << 20, data.len());
                    assert!(futures::executor::block_on(read).unwrap() == data);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    stop.send(()).unwrap();
    driver.join().unwrap().unwrap();
    // The runtime is gone, and the connection with it.
    let read = futures::executor::block_on(device.read(0, 1));
    assert_eq!(read.unwrap_err(), DeviceError::Disconnected);
}

#[tokio::test]
async fn a_broken_connection_fails_every_call_at_once() {
    let mut server = Nbdkit::start(&["--filter=delay", "memory", "1M", "rdelay=60"]);
    let device = Arc::new(connect(&server.socket).await);
    let waiting = tokio::spawn({
        let device = device.clone();
        async move { device.read(0, 4096).await }
    });
    tokio::task::yield_now().await;
    server.kill().unwrap();
    assert_eq!(
        waiting.await.unwrap().unwrap_err(),
        DeviceError::Disconnected
    );
    assert!(!device.is_connected());
    assert_eq!(
        device.flush(device.session()).await.unwrap_err(),
        DeviceError::Disconnected
    );
    let write = device.write(0, &[pattern(1, 9)], Durability::Durable).await;
    assert_eq!(write.unwrap_err(), DeviceError::Disconnected);
}

#[tokio::test]
async fn the_servers_errors_are_told_apart() {
    let server = Nbdkit::start(&[
        "--filter=error",
        "memory",
        "1M",
        "error-pread=ENOSPC",
        "error-pread-rate=100%",
    ]);
    let device = connect(&server.socket).await;
    assert_eq!(device.read(0, 10).await.unwrap_err(), DeviceError::NoSpace);
    device.flush(device.session()).await.unwrap();
    let server = Nbdkit::start(&[
        "--filter=error",
        "memory",
        "1M",
        "error=EIO",
        "error-rate=100%",
    ]);
    let device = connect(&server.socket).await;
    let write = device.write(0, &[pattern(1, 9)], Durability::Durable).await;
    assert_eq!(write.unwrap_err(), DeviceError::Io);
}

#[tokio::test]
async fn calls_beyond_the_end_are_invalid() {
    let server = Nbdkit::memory();
    let device = connect(&server.socket).await;
    let end = SIZE as u64;
    assert_eq!(device.read(end, 1).await.unwrap_err(), DeviceError::Invalid);
    assert_eq!(
        device.read(u64::MAX, 2).await.unwrap_err(),
        DeviceError::Invalid
    );
    let write = device
        .write(end - 1, &[pattern(1, 2)], Durability::Volatile)
        .await;
    assert_eq!(write.unwrap_err(), DeviceError::Invalid);
    assert_eq!(device.trim(1, end).await.unwrap_err(), DeviceError::Invalid);
}

#[tokio::test]
async fn an_unfit_or_absent_export_is_refused() {
    let server = Nbdkit::start(&["--readonly", "memory", "1M"]);
    let refusal = NbdDevice::connect(&server.socket, "any").await.unwrap_err();
    assert!(matches!(refusal, ConnectError::Unfit { .. }), "{refusal}");
    let refusal = NbdDevice::connect(Path::new("/nonexistent"), "any")
        .await
        .unwrap_err();
    assert!(
        matches!(refusal, ConnectError::Unreachable { .. }),
        "{refusal}"
    );
}
