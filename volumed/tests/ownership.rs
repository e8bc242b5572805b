//! Owners over real sockets (V1, V2), and what survives the daemon.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::{Daemon, pattern};
use nix::sys::signal::Signal;
use volumed_client::admin::{AdminError, Attached, ErrorCode};
use volumed_client::{BlockDevice, ConnectError, DeviceError, Durability, NbdDevice};

const MIB: u64 = 1 << 20;

async fn open(attached: &Attached) -> Arc<NbdDevice> {
    Arc::new(
        NbdDevice::connect(&attached.nbd_socket, &attached.export)
            .await
            .unwrap(),
    )
}

fn code(result: Result<impl std::fmt::Debug, AdminError>) -> Option<ErrorCode> {
    result.unwrap_err().code()
}

#[tokio::test]
async fn a_new_owner_shuts_the_old_one_out() {
    let daemon = Daemon::start();
    daemon.create("v", 64 * MIB).await;
    let admin = daemon.admin();
    let first = admin.attach("v", "first").await.unwrap();
    let device = open(&first).await;
    let old = Bytes::from(pattern(1, 4096));
    device.write(0, &[old], Durability::Volatile).await.unwrap();
    // The old owner keeps writing while the new one attaches.
    let writer = tokio::spawn({
        let device = device.clone();
        async move {
            let mut written = 0_u64;
            let stale = Bytes::from(pattern(2, 4096));
            while device
                .write(0, std::slice::from_ref(&stale), Durability::Volatile)
                .await
                .is_ok()
            {
                written += 1;
            }
            written
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = admin.attach("v", "second").await.unwrap();
    assert!(second.epoch > first.epoch);
    let new = Bytes::from(pattern(3, 4096));
    let device_of_second = open(&second).await;
    device_of_second
        .write(0, std::slice::from_ref(&new), Durability::Durable)
        .await
        .unwrap();
    assert!(writer.await.unwrap() > 0);
    assert_eq!(
        device.read(0, 1).await.unwrap_err(),
        DeviceError::Disconnected
    );
    assert!(device_of_second.read(0, 4096).await.unwrap() == new);
    let refusal = NbdDevice::connect(&first.nbd_socket, &first.export)
        .await
        .unwrap_err();
    assert!(matches!(refusal, ConnectError::Refused { .. }), "{refusal}");
    assert_eq!(
        code(admin.detach("v", "first").await),
        Some(ErrorCode::NotOwner)
    );
    assert_eq!(
        code(admin.delete_volume("v").await),
        Some(ErrorCode::VolumeAttached)
    );
    admin.detach("v", "second").await.unwrap();
    admin.delete_volume("v").await.unwrap();
    assert_eq!(
        code(admin.show_volume("v").await),
        Some(ErrorCode::VolumeNotFound)
    );
}

#[tokio::test]
async fn what_was_durable_survives_a_kill_and_disconnects_at_once() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 50).await;
    let attached = daemon.admin().attach("v", "before").await.unwrap();
    let device = open(&attached).await;
    let data = Bytes::from(pattern(4, 3_000_000));
    let far = (1 << 50) - 3_000_000;
    device
        .write(12_345, std::slice::from_ref(&data), Durability::Durable)
        .await
        .unwrap();
    device
        .write(far, std::slice::from_ref(&data), Durability::Volatile)
        .await
        .unwrap();
    device.flush(device.session()).await.unwrap();
    let daemon = daemon.restart(Signal::SIGKILL);
    assert_eq!(
        device.read(0, 1).await.unwrap_err(),
        DeviceError::Disconnected
    );
    let attached = daemon.admin().attach("v", "after").await.unwrap();
    let device = open(&attached).await;
    assert!(device.read(12_345, data.len()).await.unwrap() == data);
    assert!(device.read(far, data.len()).await.unwrap() == data);
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight() {
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 40).await;
    let attached = daemon.admin().attach("v", "only").await.unwrap();
    let device = open(&attached).await;
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let device = device.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for round in 0.. {
                    let at = (number * 1000 + round) * 65_536;
                    let data = Bytes::from(pattern(at, 65_536));
                    match device.write(at, &[data], Durability::Durable).await {
                        Ok(()) => acknowledged.push(at),
                        Err(DeviceError::Disconnected) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.log());
    let daemon = daemon.restart_stopped();
    let attached = daemon.admin().attach("v", "next").await.unwrap();
    let device = open(&attached).await;
    let mut checked = 0;
    for writer in writers {
        for at in writer.await.unwrap() {
            assert!(
                device.read(at, 65_536).await.unwrap() == pattern(at, 65_536),
                "{at}"
            );
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[tokio::test]
async fn space_comes_and_goes_with_what_is_written() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 60).await;
    let attached = daemon.admin().attach("v", "only").await.unwrap();
    let device = open(&attached).await;
    let data = Bytes::from(pattern(5, 8 << 20));
    device.write(0, &[data], Durability::Durable).await.unwrap();
    assert_eq!(daemon.admin().show_volume("v").await.unwrap().used, 8 << 20);
    device.trim(0, 4 << 20).await.unwrap();
    device.flush(device.session()).await.unwrap();
    assert_eq!(daemon.admin().show_volume("v").await.unwrap().used, 4 << 20);
    drop(device);
    daemon.admin().detach("v", "only").await.unwrap();
    daemon.admin().delete_volume("v").await.unwrap();
    assert_eq!(daemon.admin().pool().await.unwrap().used, 0);
}

#[tokio::test]
async fn a_full_pool_refuses_writes_and_still_trims() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let config = format!(
        "disks = [{{ path = {:?}, capacity = \"64MiB\" }}]\n",
        disk.to_str().unwrap()
    );
    let daemon = Daemon::start_with(&config);
    daemon.create("v", 1 << 40).await;
    let attached = daemon.admin().attach("v", "only").await.unwrap();
    let device = open(&attached).await;
    let data = Bytes::from(pattern(6, 1 << 20));
    let mut written = 0_u64;
    let refusal = loop {
        match device
            .write(written, std::slice::from_ref(&data), Durability::Durable)
            .await
        {
            Ok(()) => written += MIB,
            Err(error) => break error,
        }
        assert!(written <= 64 * MIB, "wrote more than the pool holds");
    };
    assert_eq!(refusal, DeviceError::NoSpace);
    assert!(written > 0);
    assert!(device.read(0, 1 << 20).await.unwrap() == data);
    device.trim(0, written).await.unwrap();
    device
        .write(0, std::slice::from_ref(&data), Durability::Durable)
        .await
        .unwrap();
    assert!(device.read(0, 1 << 20).await.unwrap() == data);
}
