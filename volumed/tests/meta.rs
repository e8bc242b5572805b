//! The metadata store is backed up under a daemon, and restored without one.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use daemon::{Daemon, succeed, volumed};
use nix::sys::signal::Signal;
use volumed_client::{BlockDevice, Durability, NbdDevice};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(output: &Output, code: i32, sentence: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(sentence), "{error}");
}

async fn attach(daemon: &Daemon) -> NbdDevice {
    let attached = daemon.admin().attach("v", "tester").await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

#[tokio::test]
async fn a_store_that_is_lost_comes_back_from_a_backup() {
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 30).await;
    let device = attach(&daemon).await;
    let data = ["hello".into()];
    device.write(0, &data, Durability::Durable).await.unwrap();
    drop(device);
    let backup = daemon.folder().join("backup.db");
    let file = backup.to_str().unwrap();
    let answer = daemon.run(&["meta", "backup", file, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let metadata = backup.metadata().unwrap();
    assert_eq!(answer["bytes"], metadata.len());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    refused(&daemon.run(&["meta", "backup", file]), 1, "exists already");
    assert!(!daemon.data().join("meta.backup").exists());
    let shown = text(&daemon.run(&["meta", "show"]).stdout);
    assert!(shown.contains("meta.db"), "{shown}");

    let data = daemon.data();
    let restore = || {
        let mut command = volumed();
        command.args(["meta", "restore", file, "--data"]).arg(&data);
        command
    };
    refused(&restore().output().unwrap(), 1, "another volumed");
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    for lost in ["meta.db", "meta.db-wal", "meta.db-shm"] {
        let _ = std::fs::remove_file(data.join(lost));
    }
    let output = restore().output().unwrap();
    refused(&output, 1, "--accept-loss");
    assert!(text(&output.stderr).contains("after this copy"));
    assert!(!data.join("meta.db").exists());
    succeed(restore().arg("--accept-loss"));
    let daemon = daemon.restart_stopped();
    let device = attach(&daemon).await;
    assert_eq!(device.read(0, 5).await.unwrap(), "hello");
}

#[test]
fn a_store_is_copied_without_its_daemon() {
    let daemon = Daemon::start();
    let (store, copy) = (
        daemon.data().join("meta.db"),
        daemon.folder().join("copy.db"),
    );
    let backup = |store: &std::path::Path| {
        let mut command = volumed();
        command
            .args(["meta", "backup"])
            .arg(&copy)
            .arg("--store")
            .arg(store);
        command
    };
    succeed(&mut backup(&store));
    assert!(copy.metadata().unwrap().len() > 0);
    std::fs::remove_file(&copy).unwrap();
    let log = daemon.folder().join("log");
    refused(&backup(&log).output().unwrap(), 1, "not a metadata store");
    assert!(!copy.exists());
    let absent = volumed()
        .args([
            "meta",
            "backup",
            "/nonexistent/copy",
            "--socket",
            "/nonexistent/s",
        ])
        .output()
        .unwrap();
    refused(&absent, 5, "cannot reach");
}

#[tokio::test]
async fn a_client_that_is_connected_uses_what_grew() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 20).await;
    let attached = daemon.admin().attach("v", "tester").await.unwrap();
    // The size that a client was told is its own affair: this one does not look.
    let python = format!(
        "import nbd, subprocess\n\
         h = nbd.NBD()\n\
         h.set_strict_mode(0)\n\
         h.set_export_name('{export}')\n\
         h.connect_unix('{socket}')\n\
         assert h.get_size() == 1 << 20\n\
         try:\n    h.pwrite(b'beyond', 1 << 20)\n    assert False\n\
         except nbd.Error as error:\n    assert error.errno == 'ENOSPC', error\n\
         subprocess.check_call(['{volumed}', 'volume', 'grow', 'v', '1GiB', '--socket', '{admin}'])\n\
         h.pwrite(b'beyond', 1 << 20)\n\
         assert h.pread(6, 1 << 20) == b'beyond'\n",
        export = attached.export,
        socket = attached.nbd_socket.display(),
        volumed = env!("CARGO_BIN_EXE_volumed"),
        admin = daemon.admin_socket().display(),
    );
    succeed(std::process::Command::new("/usr/bin/python3").args(["-c", &python]));
    let device = attach(&daemon).await;
    assert_eq!(device.size(), 1 << 30);
    assert_eq!(device.read(1 << 20, 6).await.unwrap(), "beyond");
    drop(device);
    refused(
        &daemon.run(&["volume", "grow", "v", "1MiB"]),
        1,
        "only grow",
    );
    refused(
        &daemon.run(&["volume", "grow", "w", "1MiB"]),
        3,
        "no volume",
    );
}
