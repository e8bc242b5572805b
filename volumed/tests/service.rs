//! The daemon as a service: its settings, its log, and what it tells the service manager.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use daemon::{Daemon, PATIENCE, succeed, volumed};
use nix::sys::signal::Signal;

/// What systemd would be told.
struct Notifications {
    socket: UnixDatagram,
    path: String,
    _folder: tempfile::TempDir,
}

impl Notifications {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            path: path.to_str().unwrap().to_owned(),
            _folder: folder,
        }
    }

    /// Waits for a notification that has this line.
    fn wait_for(&self, line: &str) {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).expect(line);
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            if text.lines().any(|found| found == line) {
                return;
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_each_step_and_that_the_daemon_lives() {
    let manager = Notifications::listen();
    let environment = [
        ("NOTIFY_SOCKET", &*manager.path),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut daemon = Daemon::start_under("", &environment);
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    daemon.signal(Signal::SIGHUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    daemon.signal(Signal::SIGTERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn the_log_is_json_on_request_and_its_level_changes_while_the_daemon_runs() {
    let settings = |level: &str| format!("log_format = \"json\"\nlog_level = \"{level}\"\n");
    let daemon = Daemon::start_with(&settings("error"));
    assert_eq!(daemon.log(), "", "an error level has nothing to say");
    daemon.configure(&settings("debug"));
    let deadline = Instant::now() + PATIENCE;
    daemon.signal(Signal::SIGHUP);
    while daemon.log().is_empty() {
        assert!(Instant::now() < deadline, "the level did not change");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for line in daemon.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    // A mistake changes nothing and ends nothing.
    daemon.configure("log_levle = \"info\"\n");
    daemon.signal(Signal::SIGHUP);
    while !daemon.log().contains("log_levle") {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(daemon.run(&["pool", "show"]).status.success());
}

#[test]
fn check_config_prints_what_is_in_force_or_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volumed.toml");
    let check = || {
        let mut command = volumed();
        command.args([
            "serve",
            "--check-config",
            "--data",
            "/srv/state",
            "--config",
        ]);
        command.arg(&file);
        command
    };
    std::fs::write(&file, "disks = [\"/srv/ssd0\"]\nnbd_threads = 3\n").unwrap();
    let text = succeed(&mut check());
    for line in [
        "data = \"/srv/state\"",
        "nbd_socket = \"/srv/state/nbd.sock\"",
        "nbd_threads = 3",
        "path = \"/srv/ssd0\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    std::fs::write(&file, "# disks\n\ndisk = [\"/srv/ssd0\"]\n").unwrap();
    let output = check().output().unwrap();
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(sentence.contains("line 3"), "{sentence}");
    assert!(sentence.contains("unknown field `disk`"), "{sentence}");
}
