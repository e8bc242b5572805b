//! The commands, on a daemon that runs.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use daemon::{Daemon, volumed};
use nix::sys::signal::Signal;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(output: &Output, code: i32, sentence: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(sentence), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn a_volume_is_created_listed_shown_and_deleted() {
    let daemon = Daemon::start();
    let created = daemon.run(&["volume", "create", "photos", "--size", "1EiB"]);
    assert!(created.status.success(), "{}", text(&created.stderr));
    let listed = text(&daemon.run(&["volume", "list"]).stdout);
    assert!(
        listed.contains("photos") && listed.contains("1 EiB"),
        "{listed}"
    );
    let shown = daemon.run(&["volume", "show", "photos", "--json"]);
    let volume: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(volume["size"], 1_u64 << 60);
    assert_eq!(volume["used"], 0);
    assert_eq!(volume["owner"], serde_json::Value::Null);
    refused(&daemon.run(&["volume", "delete", "photos"]), 1, "--yes");
    assert!(
        daemon
            .run(&["volume", "delete", "photos", "--yes"])
            .status
            .success()
    );
    let listed = text(&daemon.run(&["volume", "list"]).stdout);
    assert!(listed.contains("no volumes"), "{listed}");
}

#[test]
fn a_volume_without_a_size_has_the_largest() {
    let daemon = Daemon::start();
    let created = daemon.run(&["volume", "create", "thin", "--json"]);
    let volume: serde_json::Value = serde_json::from_slice(&created.stdout).unwrap();
    assert_eq!(volume["size"], 1_u64 << 60);
}

#[test]
fn doctor_finds_what_is_wrong() {
    let (daemon, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disks = [daemon.path(), second.path()].map(|path| format!("{:?}", path.join("disk")));
    let daemon = Daemon::start_with(&format!("disks = [{}]\n", disks.join(", ")));
    let output = daemon.run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["fault"])
        .collect();
    assert!(
        faults.contains(&&serde_json::json!("shared_file_system")),
        "{found}"
    );
    assert_eq!(output.status.code(), Some(6), "{found}");
    let absent = volumed()
        .args(["doctor", "--socket", "/nonexistent/s"])
        .output()
        .unwrap();
    assert_eq!(absent.status.code(), Some(1));
    assert!(text(&absent.stdout).contains("systemctl start volumed"));
}

#[test]
fn refusals_say_why_and_have_their_exit_code() {
    let daemon = Daemon::start();
    let create = |name, size| daemon.run(&["volume", "create", name, "--size", size]);
    assert!(create("a", "1GiB").status.success());
    refused(&create("a", "1GiB"), 4, "already a volume called a");
    refused(&create("../a", "1GiB"), 1, "a volume's name is");
    refused(&create("b", "2EiB"), 1, "1 EiB");
    refused(&create("b", "0"), 1, "4 KiB to 1 EiB");
    refused(&create("b", "1000B"), 1, "multiple of 4096");
    refused(
        &daemon.run(&["volume", "create", "b", "--size", "1GiB", "--replicas", "2"]),
        1,
        "replicas",
    );
    refused(
        &daemon.run(&["volume", "show", "b"]),
        3,
        "no volume called b",
    );
    refused(
        &daemon.run(&["volume", "delete", "b", "--yes"]),
        3,
        "no volume called b",
    );
    refused(&daemon.run(&["disk", "show", "b"]), 3, "no disk");
    refused(
        &daemon.run(&["volume", "detach", "a"]),
        3,
        "a is not attached",
    );
    let wrong = daemon.run(&["volume", "attach", "a", "/dev/sda"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("/dev/nbd0"),
        "{}",
        text(&wrong.stderr)
    );
    let wrong = daemon.run(&["volume", "create", "b", "--size", "many"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("no unit"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn the_pool_and_its_disks_are_shown() {
    let daemon = Daemon::start_with("");
    let pool = daemon.run(&["pool", "show", "--json"]);
    let pool: serde_json::Value = serde_json::from_slice(&pool.stdout).unwrap();
    assert_eq!(pool["disks"], 1);
    assert!(pool["free"].as_u64().unwrap() > 0);
    let disks = daemon.run(&["disk", "list", "--json"]);
    let disks: serde_json::Value = serde_json::from_slice(&disks.stdout).unwrap();
    assert_eq!(disks[0]["state"], "online");
    let id = disks[0]["id"].as_str().unwrap();
    let shown = text(&daemon.run(&["disk", "show", id]).stdout);
    assert!(shown.contains(id) && shown.contains("online"), "{shown}");
    let path = disks[0]["path"].as_str().unwrap();
    assert_eq!(text(&daemon.run(&["disk", "show", path]).stdout), shown);
    let retry = daemon.run(&["disk", "retry", &id[..20]]);
    refused(&retry, 4, "nothing to take back");
    assert!(text(&daemon.run(&["pool", "show"]).stdout).contains("Capacity"));
}

#[test]
fn without_a_daemon_the_sentence_says_so() {
    let output = volumed()
        .args(["pool", "show", "--socket", "/nonexistent/s"])
        .output()
        .unwrap();
    refused(&output, 5, "is `volumed serve` running?");
}

#[test]
fn completions_and_the_manual_are_printed() {
    let output = volumed().args(["completions", "bash"]).output().unwrap();
    assert!(text(&output.stdout).contains("complete -F _volumed"));
    let page = |arguments: &[&str]| {
        let output = volumed().arg("man").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(page(&[]).contains(".TH volumed 1"));
    let create = page(&["volume create"]);
    assert!(create.contains(".TH volumed-volume-create 1"), "{create}");
    assert!(create.contains("default: 1EiB"), "{create}");
}

#[test]
fn a_second_start_on_the_same_data_is_refused() {
    let daemon = Daemon::start();
    let output = volumed()
        .arg("serve")
        .arg("--data")
        .arg(daemon.data())
        .output()
        .unwrap();
    refused(&output, 1, "already runs on");
    // The first goes on.
    assert!(daemon.run(&["pool", "show"]).status.success());
}

#[test]
fn a_socket_in_use_is_named() {
    let daemon = Daemon::start();
    let output = volumed()
        .arg("serve")
        .arg("--data")
        .arg(daemon.folder().join("other"))
        .arg("--nbd-socket")
        .arg(daemon.nbd_socket())
        .output()
        .unwrap();
    refused(&output, 1, "nbd.sock is in use");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let output = volumed()
        .args(["serve", "--data", "/proc/volumed"])
        .output()
        .unwrap();
    refused(&output, 1, "/proc/volumed");
}

#[test]
fn a_wrong_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("volumed.toml");
    std::fs::write(&config, "disk = 3\n").unwrap();
    let data = folder.path().join("data");
    let mut command = volumed();
    let output = command
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .arg("--data")
        .arg(data);
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(
        error.contains("volumed.toml is wrong") && error.contains("disk"),
        "{error}"
    );
}

#[test]
fn everything_of_the_daemon_is_its_owners_alone() {
    let daemon = Daemon::start();
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(daemon.data()), 0o700);
    assert_eq!(mode(daemon.admin_socket()), 0o600);
    assert_eq!(mode(daemon.nbd_socket()), 0o600);
    assert_eq!(mode(daemon.data().join("meta.db")), 0o600);
}

#[test]
fn a_stop_is_clean_and_a_crash_leaves_nothing_in_the_way() {
    let mut daemon = Daemon::start();
    assert!(
        daemon
            .run(&["volume", "create", "a", "--size", "1GiB"])
            .status
            .success()
    );
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGINT] {
        daemon = daemon.restart(signal);
        assert!(
            daemon.run(&["volume", "show", "a"]).status.success(),
            "after {signal}"
        );
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), Some(0));
    assert!(!daemon.admin_socket().exists() && !daemon.nbd_socket().exists());
}

#[test]
fn a_volume_is_told_how_to_grow_by_itself() {
    let daemon = Daemon::start();
    let json = |arguments: &[&str]| {
        let output = daemon.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let create = ["volume", "create", "v", "--size", "1GiB"];
    let alone = daemon.run(&[&create[..], &["--auto-grow"]].concat());
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
    let smaller = daemon.run(&[&create[..], &["--max-size", "1MiB"]].concat());
    refused(&smaller, 1, "not below its size");
    let created = json(&[&create[..], &["--auto-grow", "--max-size", "1TiB"]].concat());
    let auto =
        |percent: u8, max: u64| serde_json::json!({"free_percent": percent, "max_size": max});
    assert_eq!(created["auto_grow"], auto(20, 1 << 40));
    let grown = json(&[
        "volume",
        "grow",
        "v",
        "--auto-grow",
        "30",
        "--max-size",
        "2TiB",
    ]);
    assert_eq!(
        (&grown["size"], &grown["auto_grow"]),
        (&(1_u64 << 30).into(), &auto(30, 2 << 40))
    );
    let grown = json(&["volume", "grow", "v", "2GiB"]);
    assert_eq!(
        (&grown["size"], &grown["auto_grow"]),
        (&(2_u64 << 30).into(), &auto(30, 2 << 40))
    );
    let nothing = daemon.run(&["volume", "grow", "v"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing.stderr));
    let shown = text(&daemon.run(&["volume", "show", "v"]).stdout);
    assert!(shown.contains("up to 2 TiB, to keep 30 % free"), "{shown}");
}

#[test]
fn a_volume_is_told_what_it_may_hold() {
    let daemon = Daemon::start();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = daemon.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let created = json(&["volume", "create", "v", "--quota", "1GiB"]);
    assert_eq!(created["quota"], 1 << 30);
    let limited = json(&["volume", "quota", "v", "8KiB"]);
    assert_eq!(limited["quota"], 8192);
    let listed = text(&daemon.run(&["volume", "list"]).stdout);
    assert!(
        listed.contains("QUOTA") && listed.contains("8 KiB"),
        "{listed}"
    );
    let unlimited = json(&["volume", "quota", "v", "none"]);
    assert_eq!(unlimited["quota"], serde_json::Value::Null);
    refused(
        &daemon.run(&["volume", "quota", "v", "1000B"]),
        1,
        "multiple of 4096",
    );
    refused(
        &daemon.run(&["volume", "quota", "w", "none"]),
        3,
        "no volume called w",
    );
    let wrong = daemon.run(&["volume", "quota", "v", "much"]);
    assert_eq!(wrong.status.code(), Some(2));
}
