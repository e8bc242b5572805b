//! Reading extents without the daemon (V14), over real sockets and files.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use daemon::{Daemon, PATIENCE, pattern};
use nix::sys::signal::Signal;
use volumed_client::admin::{AdminClient, Attached};
use volumed_client::{
    BlockDevice, Connect, ConnectFailure, Durability, ExtentFiles, NbdDevice, Reconnected,
    ReconnectingDevice,
};

const MIB: u64 = 1 << 20;
const EXTENT: u64 = 64 * MIB;

async fn open(attached: &Attached) -> NbdDevice {
    open_as(attached, &attached.export).await
}

/// A device of the attachment that asks for extents under the name `export`.
async fn open_as(attached: &Attached, export: &str) -> NbdDevice {
    let device = NbdDevice::connect(&attached.nbd_socket, &attached.export);
    let files = ExtentFiles::new(4);
    let device = device.await.unwrap();
    device
        .with_extents(&attached.extents_socket, export, files)
        .await
}

async fn attached(daemon: &Daemon) -> Attached {
    daemon.create("v", 1 << 40).await;
    daemon.admin().attach("v", "owner").await.unwrap()
}

async fn write(device: &dyn BlockDevice, offset: u64, bytes: &[u8]) {
    let bytes = [Bytes::copy_from_slice(bytes)];
    device
        .write(offset, &bytes, Durability::Durable)
        .await
        .unwrap();
}

/// What is read once anything is: a refusal is remembered for a moment.
async fn read_in_the_end(device: &dyn BlockDevice, offset: u64, length: usize) -> Bytes {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(bytes) = device.read_unchecked(offset, length).await {
            return bytes;
        }
        assert!(Instant::now() < deadline, "never read without the daemon");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_owner_reads_what_it_wrote() {
    let daemon = Daemon::start();
    let device = open(&attached(&daemon).await).await;
    // More extents than are held open.
    let large = pattern(1, MIB as usize);
    for extent in 0..6 {
        write(&device, extent * EXTENT, &large).await;
        write(&device, extent * EXTENT + MIB, &large[..9000]).await;
    }
    for extent in (0..6).chain(0..6) {
        for (at, length) in [(0, MIB as usize), (100, 5000), (MIB, 9000)] {
            let read = device.read_unchecked(extent * EXTENT + at, length).await;
            let from = (at % MIB) as usize;
            assert!(read.unwrap() == large[from..from + length]);
            let mut read = vec![0; length];
            assert!(device.read_unchecked_blocking(extent * EXTENT + at, &mut read));
            assert!(read == large[from..from + length]);
        }
    }
}

#[tokio::test]
async fn what_is_nowhere_is_not_answered() {
    let daemon = Daemon::start();
    let device = open(&attached(&daemon).await).await;
    write(&device, 0, &pattern(1, 4096)).await;
    assert_eq!(device.read_unchecked(5 * EXTENT, 4096).await, None);
    assert!(!device.read_unchecked_blocking(6 * EXTENT, &mut [0; 4096]));
    assert!(!device.read_unchecked_blocking(EXTENT - 100, &mut [0; 200]));
    assert_eq!(device.read_unchecked(EXTENT - 100, 200).await, None);
    assert_eq!(device.read_unchecked(1 << 40, 1).await, None);
    // A hole in a placed extent is zeroes, which no checksum of the caller's matches.
    assert_eq!(device.read_unchecked(MIB, 10).await.unwrap(), [0; 10][..]);
    let late = pattern(2, 4096);
    write(&device, 5 * EXTENT, &late).await;
    assert!(read_in_the_end(&device, 5 * EXTENT, 4096).await == late);
}

#[tokio::test]
async fn what_was_trimmed_is_not_read() {
    let daemon = Daemon::start();
    let device = open(&attached(&daemon).await).await;
    let old = pattern(1, 2 * MIB as usize);
    write(&device, 0, &old).await;
    assert!(device.read_unchecked(0, old.len()).await.unwrap() == old);
    device.trim(0, MIB).await.unwrap();
    let zeroes = vec![0; MIB as usize];
    assert!(device.read_unchecked(0, MIB as usize).await.unwrap() == zeroes);
    // The whole extent: its file goes, and another comes in its place.
    device.trim(0, EXTENT).await.unwrap();
    assert_eq!(device.read_unchecked(MIB, 4096).await, None);
    let new = pattern(2, 4096);
    write(&device, MIB, &new).await;
    assert!(read_in_the_end(&device, MIB, 4096).await == new);
}

#[tokio::test]
async fn a_new_owner_ends_it() {
    let daemon = Daemon::start();
    let first = attached(&daemon).await;
    let device = open(&first).await;
    let bytes = pattern(1, 4096);
    write(&device, 0, &bytes).await;
    assert!(device.read_unchecked(0, 4096).await.is_some());
    let second = daemon.admin().attach("v", "other").await.unwrap();
    assert_eq!(device.read_unchecked(0, 4096).await, None);
    assert!(!device.read_unchecked_blocking(0, &mut [0; 4096]));
    let device = open(&second).await;
    assert!(read_in_the_end(&device, 0, 4096).await == bytes);
    // The name of an attachment that has ended, and that of none.
    for stale in [&first.export[..], "v", "nothing@1", "?"] {
        let device = open_as(&second, stale).await;
        assert_eq!(device.read_unchecked(0, 4096).await, None, "{stale}");
        assert!(device.read(0, 4096).await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn what_the_daemon_must_look_at_first_is_not_read() {
    // A region takes 4 s to be summed anew in the background, and eight are in line before the one below.
    let daemon = Daemon::start_with("scrub_rate = \"1MiB\"");
    let device = open(&attached(&daemon).await).await;
    let bytes = pattern(1, 4096);
    for region in 0..8 {
        write(&device, region * 4 * MIB, &bytes).await;
    }
    write(&device, EXTENT, &bytes).await;
    assert!(device.read_unchecked(EXTENT, 4096).await.is_some());
    let daemon = daemon.restart(Signal::SIGKILL);
    // At once: nothing of this runtime has run meanwhile that could have seen an end.
    assert_eq!(device.read_unchecked(EXTENT, 4096).await, None);
    // Its regions are suspect (V10).
    let admin = daemon.admin();
    let device = open(&admin.attach("v", "next").await.unwrap()).await;
    assert_eq!(device.read_unchecked(EXTENT, 4096).await, None);
    assert!(device.read(EXTENT, 4096).await.unwrap() == bytes);
    drop(device);
    // A clean end of the attachment sums them anew.
    admin.detach("v", "next").await.unwrap();
    let device = open(&admin.attach("v", "last").await.unwrap()).await;
    assert!(device.read_unchecked(EXTENT, 4096).await.unwrap() == bytes);
}

/// Attaches the volume again and connects, both ways.
#[derive(Debug)]
struct Again(AdminClient);

#[async_trait]
impl Connect for Again {
    async fn connect(&self) -> Result<Reconnected, ConnectFailure> {
        let attached = self.0.attach_again("v", "owner").await;
        let attached = attached.map_err(|_| ConnectFailure::Passing)?;
        let device = Arc::new(open(&attached).await);
        Ok(Reconnected {
            device,
            kept: false,
        })
    }
}

#[tokio::test]
async fn a_reconnect_brings_files_of_its_own() {
    let daemon = Daemon::start();
    let first = open(&attached(&daemon).await).await;
    let again = Arc::new(Again(daemon.admin()));
    let device = ReconnectingDevice::new(Arc::new(first), again, PATIENCE);
    let (old, new) = (pattern(1, 4096), pattern(2, 4096));
    write(&device, 0, &old).await;
    assert!(device.read_unchecked(0, 4096).await.unwrap() == old);
    let daemon = daemon.restart(Signal::SIGTERM);
    assert_eq!(device.read_unchecked(0, 4096).await, None);
    write(&device, 0, &new).await;
    assert!(read_in_the_end(&device, 0, 4096).await == new);
    // Somebody else's by now: the files that it has open are no longer its own.
    daemon.admin().attach("v", "other").await.unwrap();
    assert_eq!(device.read_unchecked(0, 4096).await, None);
}
