//! A daemon with few file descriptors: it refuses work, and no disk fails for it.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daemon::{Daemon, PATIENCE, pattern};
use volumed_client::admin::DiskState;
use volumed_client::{BlockDevice, Durability, NbdDevice};

const EXTENT: u64 = 64 << 20;
const LIMIT: u64 = 120;

async fn disk_is_online(daemon: &Daemon) {
    let disks = daemon.admin().disks().await.unwrap();
    assert_eq!(disks[0].state, DiskState::Online, "{}", daemon.log());
}

async fn attach(daemon: &Daemon, name: &str) -> Option<NbdDevice> {
    let attached = daemon.admin().attach(name, "owner").await.ok()?;
    NbdDevice::connect(&attached.nbd_socket, &attached.export)
        .await
        .ok()
}

fn block(seed: u64) -> [Bytes; 1] {
    [Bytes::from(pattern(seed, 4096))]
}

/// One block in each of four extents, the first two unsynced.
async fn write(device: &NbdDevice, seed: u64) -> Result<(), volumed_client::DeviceError> {
    for extent in 0..4 {
        let durability = match extent {
            0 | 1 => Durability::Volatile,
            _ => Durability::Durable,
        };
        device
            .write(extent * EXTENT, &block(seed + extent), durability)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_volumes_than_files_can_be_open_are_served_or_refused() {
    let daemon = Daemon::start_limited(LIMIT);
    let mut open = Vec::new();
    for number in 0..40_u64 {
        let name = format!("v{number}");
        daemon.create(&name, 4 * EXTENT).await;
        if let Some(device) = attach(&daemon, &name).await {
            write(&device, number).await.unwrap();
            open.push((number, device));
        }
    }
    // A third of the limit is for connections.
    assert!((10..40).contains(&open.len()), "{}", open.len());
    disk_is_online(&daemon).await;
    for (number, device) in &open {
        device.flush(device.session()).await.unwrap();
        for extent in 0..4 {
            let read = device.read(extent * EXTENT, 4096).await.unwrap();
            assert!(
                read == block(number + extent)[0],
                "v{number}, extent {extent}"
            );
        }
    }
    open.clear();
    let device = attach(&daemon, "v39").await.expect("there is room again");
    write(&device, 39).await.unwrap();
    disk_is_online(&daemon).await;
}

#[tokio::test]
async fn a_write_that_finds_no_descriptor_is_refused_and_the_next_succeeds() {
    let daemon = Daemon::start_limited(LIMIT);
    daemon.create("v", 64 * EXTENT).await;
    let device = attach(&daemon, "v").await.unwrap();
    write(&device, 1).await.unwrap();
    let hoard: Vec<_> = (0..2 * LIMIT)
        .map(|_| UnixStream::connect(daemon.admin_socket()).unwrap())
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while daemon.open_descriptors() < LIMIT {
        assert!(Instant::now() < deadline, "descriptors are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = device
        .write(9 * EXTENT, &block(2), Durability::Durable)
        .await;
    refused.expect_err("no file can be made");
    let read = device.read(0, 4096).await.unwrap();
    assert!(read == block(1)[0], "what is open is served");
    drop(hoard);
    while device
        .write(9 * EXTENT, &block(2), Durability::Durable)
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    disk_is_online(&daemon).await;
    assert!(device.read(9 * EXTENT, 4096).await.unwrap() == block(2)[0]);
}
