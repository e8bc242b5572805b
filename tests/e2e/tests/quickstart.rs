//! What people do with `make run`: start it, stop it, start it twice, lose a daemon.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use hayrack_e2e::binaries::binary;
use hayrack_e2e::rack::{Rack, Site, kill_process, runs};
use nix::sys::signal::Signal;

/// How soon the service must be back after a daemon died.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn assert_answers(rack: &Rack<'_>, path: &str, body: &str) {
    let answer = rack.s3().get(path);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, body),
        "{path}"
    );
}

#[test]
fn a_restart_keeps_keys_and_objects() {
    let site = Site::new();
    let rack = site.start();
    let (before, path) = (rack.env(), format!("{}/kept", rack.bucket()));
    assert_eq!(rack.s3().put(&path, "kept").status, 200);
    for key in [
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "HAYRACK_API_URL",
        "HAYRACK_EMAIL",
        "HAYRACK_PASSWORD",
        "HAYRACK_NAMESPACE",
        "HAYRACK_BUCKET",
        "HAYRACK_VOLUMED_PID",
        "HAYRACK_S3D_PID",
    ] {
        assert!(before.contains_key(key), "data/env has no {key}");
        let value = &before[key];
        assert!(
            key.ends_with("PID") || rack.started.printed.contains(value),
            "{key} not shown"
        );
    }
    let mode = fs::metadata(site.data().join("env"))
        .expect("it exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(rack.stop().success());

    let rack = site.start();
    let after = rack.env();
    for (key, value) in before
        .iter()
        .filter(|(key, _)| key.contains('_') && !key.ends_with("PID"))
    {
        assert_eq!(after.get(key), Some(value), "{key} changed");
    }
    assert_answers(&rack, &path, "kept");
    assert!(rack.stop().success());
}

#[test]
fn each_signal_stops_both_daemons() {
    let site = Site::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut rack = site.start();
        let pids = ["volumed", "s3d"].map(|daemon| rack.pid(daemon));
        rack.started.signal(signal);
        assert!(rack.started.wait().success(), "{signal}:\n{}", site.log());
        assert!(!pids.into_iter().any(runs), "a daemon outlived quickstart");
    }
}

#[test]
fn a_killed_quickstart_leaves_no_daemon_behind() {
    let site = Site::new();
    let mut rack = site.start();
    let pids = ["volumed", "s3d"].map(|daemon| rack.pid(daemon));
    rack.started.signal(Signal::SIGKILL);
    rack.started.wait();
    until("the daemons have ended", || !pids.into_iter().any(runs));
}

#[test]
fn a_daemon_whose_supervisor_died_before_it_began_does_not_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let begun = folder.path().join("begun");
    // The shell is the supervisor, and has ended when its child wakes up.
    let orphan = r#"(sleep 0.3; exec "$1" quickstart --supervisor $$ -- touch "$2") &"#;
    let told = Command::new("sh")
        .args(["-c", orphan, "sh"])
        .args([binary("s3d"), begun.clone()])
        .output()
        .expect("a shell");
    let told = String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("the supervisor ended"), "{told}");
    assert!(!begun.exists());
}

#[test]
fn a_second_signal_quits_at_once() {
    let site = Site::new();
    let mut rack = site.start();
    let pids = ["volumed", "s3d"].map(|daemon| rack.pid(daemon));
    // Stopped processes cannot finish, so only the second signal ends them.
    for pid in pids {
        kill_process(pid, Signal::SIGSTOP);
    }
    rack.started.signal(Signal::SIGTERM);
    until("it is stopping", || {
        site.log().contains("another signal quits at once")
    });
    rack.started.signal(Signal::SIGTERM);
    assert!(!rack.started.wait().success());
    until("the daemons have ended", || !pids.into_iter().any(runs));
}

#[test]
fn a_second_start_on_the_same_data_is_refused() {
    let site = Site::new();
    let rack = site.start();
    let mut second = site.spawn();
    assert!(!second.until_ready());
    assert!(!second.wait().success());
    assert!(
        site.log().contains("Hayrack already runs on"),
        "{}",
        site.log()
    );
    assert_eq!(
        rack.s3()
            .get(&format!("{}?list-type=2", rack.bucket()))
            .status,
        200
    );
}

#[test]
fn a_port_in_use_is_named() {
    let site = Site::new();
    for (address, variable) in [
        (site.s3, "HAYRACK_S3_LISTEN"),
        (site.api, "HAYRACK_API_LISTEN"),
    ] {
        let _taken = TcpListener::bind(address).expect("the port is free");
        let mut started = site.spawn();
        assert!(!started.until_ready());
        assert!(!started.wait().success());
        let sentence = format!("{address} is in use by another program");
        assert!(
            site.log().contains(&sentence) && site.log().contains(variable),
            "{}",
            site.log()
        );
    }
}

#[test]
fn a_daemon_that_dies_alone_is_started_again() {
    let site = Site::new();
    let rack = site.start();
    let path = format!("{}/kept", rack.bucket());
    assert_eq!(rack.s3().put(&path, "kept").status, 200);
    for daemon in ["volumed", "s3d"] {
        let dead = rack.pid(daemon);
        let killed = Instant::now();
        kill_process(dead, Signal::SIGKILL);
        until("data/env has the new process", || {
            let pid = rack.pid(daemon);
            pid != dead && runs(pid)
        });
        let s3 = rack.s3();
        until("objects are served", || {
            let request = s3.sign(hayrack_e2e::http::Request::new("GET", path.as_str()));
            hayrack_e2e::http::exchange(site.s3, &request)
                .is_ok_and(|answer| answer.status == 200 && answer.body == b"kept")
        });
        assert!(
            killed.elapsed() < BACK_WITHIN,
            "{daemon}: back after {:?}",
            killed.elapsed()
        );
    }
    assert!(rack.stop().success());
}

#[test]
fn both_daemons_dying_together_ends_quickstart_with_a_sentence() {
    let site = Site::new();
    let mut rack = site.start();
    for pid in ["volumed", "s3d"].map(|daemon| rack.pid(daemon)) {
        kill_process(pid, Signal::SIGKILL);
    }
    assert!(!rack.started.wait().success());
    assert!(
        site.log().contains("Both daemons ended together"),
        "{}",
        site.log()
    );
    let rack = site.start();
    assert!(rack.stop().success());
}
