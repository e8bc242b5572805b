//! V9 over real sockets: who goes on after the daemon was killed, and who is told that something may be
//! lost.
#![allow(clippy::unwrap_used)]

mod daemon;

use bytes::Bytes;
use daemon::{Daemon, pattern, succeed, volumed};
use nix::sys::signal::Signal;
use volumed_client::admin::Attached;
use volumed_client::{BlockDevice, ConnectError, DeviceError, Durability, NbdDevice};

async fn open(attached: &Attached) -> Result<NbdDevice, ConnectError> {
    NbdDevice::connect(&attached.nbd_socket, &attached.lasting_export).await
}

async fn write(device: &NbdDevice, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    device
        .write(0, &[bytes], Durability::Volatile)
        .await
        .unwrap();
}

fn sentence(outcome: Result<NbdDevice, ConnectError>) -> String {
    outcome.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn a_client_goes_on_after_a_kill_until_something_may_be_lost() {
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 40).await;
    let attached = daemon.admin().attach("v", "only").await.unwrap();
    let mut written = pattern(0, 70_000);
    let device = open(&attached).await.unwrap();
    write(&device, &written).await;
    for round in 1..4 {
        daemon = daemon.restart(Signal::SIGKILL);
        let device = open(&attached).await.unwrap();
        assert!(device.read(0, written.len()).await.unwrap() == written);
        written = pattern(round, 70_000);
        write(&device, &written).await;
    }
    daemon = daemon.restart(Signal::SIGTERM);
    open(&attached).await.unwrap();

    // As a reboot would, a lost state has the disk draw another incarnation.
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    std::fs::remove_file(daemon.data().join("disk/state")).unwrap();
    let daemon = daemon.restart_stopped();
    for _ in 0..2 {
        let refused = sentence(open(&attached).await);
        assert!(refused.contains("not flushed may be lost"), "{refused}");
    }
    let next = daemon.admin().attach_again("v", "only").await.unwrap();
    assert_ne!(next.lasting_export, attached.lasting_export);
    open(&next).await.unwrap();
}

#[tokio::test]
async fn two_owners_do_not_share_a_token() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 40).await;
    let first = daemon.admin().attach("v", "first").await.unwrap();
    let device = open(&first).await.unwrap();
    let second = daemon.admin().attach("v", "second").await.unwrap();
    let gone = device.read(0, 1).await;
    assert_eq!(gone.unwrap_err(), DeviceError::Disconnected);
    let daemon = daemon.restart(Signal::SIGKILL);
    let refused = sentence(open(&first).await);
    assert!(
        refused.contains("not attached under this token"),
        "{refused}"
    );
    open(&second).await.unwrap();
    daemon.admin().detach("v", "second").await.unwrap();
    let refused = sentence(open(&second).await);
    assert!(
        refused.contains("not attached under this token"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_volume_is_exported_by_the_command_and_taken_back() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 30).await;
    let exported = daemon.run(&["volume", "export", "v", "--json"]);
    let exported: serde_json::Value = serde_json::from_slice(&exported.stdout).unwrap();
    let uri = exported["uri"].as_str().unwrap().to_owned();
    let size = || {
        let mut info = std::process::Command::new("nbdinfo");
        succeed(info.args(["--size", &uri]))
    };
    assert_eq!(size().trim(), (1 << 30).to_string());
    let refused = daemon.run(&["volume", "export", "v"]);
    assert_eq!(refused.status.code(), Some(4));
    let daemon = daemon.restart(Signal::SIGKILL);
    assert_eq!(size().trim(), (1 << 30).to_string());
    let back = |daemon: &Daemon| daemon.run(&["volume", "unexport", "v"]).status.code();
    assert_eq!(back(&daemon), Some(0));
    assert_eq!(back(&daemon), Some(4));
    let plain = NbdDevice::connect(&daemon.nbd_socket(), "v").await;
    plain.expect("nobody has it");
    let help = succeed(volumed().args(["volume", "export", "--help"]));
    assert!(help.contains("refused for good"), "{help}");
}
