//! What those who run a mount see of it, and what it does without them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use hayrack_e2e::binaries::{binary, free_address};
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use serde_json::Value;

use crate::opener::Opener;
use crate::others::soon;

/// The page of metrics.
pub fn page(address: SocketAddr) -> String {
    let request = Request::new("GET", "/metrics").header("host", address.to_string());
    let answer = exchange(address, &request).expect("metrics are served");
    assert_eq!(answer.status, 200);
    answer.text()
}

/// The value of a line of metrics.
pub fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.parse().ok()
    });
    line.unwrap_or_else(|| panic!("no {name}: {page}"))
}

#[test]
fn metrics_tell_what_a_mount_does() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let address = free_address();
    let mounted = at.mount(&rack, &["--metrics", &address.to_string()]);
    let opener = |name, size| {
        let mut opener = Opener::open(&at.path().join(name), &["O_CREAT"]);
        assert_eq!(opener.does(&format!("write {}", "x".repeat(size))), "done");
        opener
    };
    opener("stored", 100_000).close();
    let open = opener("open", 5_000);
    assert_eq!(
        fs::read(at.path().join("stored"))
            .expect("it can be read")
            .len(),
        100_000
    );
    assert!(fs::metadata(at.path().join("none")).is_err());

    // The kernel lets go of a file after it was closed.
    let open_files = || metric(&page(address), "fused_open_files");
    soon("what was read is closed", || open_files() < 1.5);
    let found = page(address);
    let is = |name: &str, expected: f64| {
        let value = metric(&found, name);
        assert!(
            (value - expected).abs() < 0.5,
            "{name} {value}, not {expected}"
        );
    };
    let least = |name: &str, least: f64| {
        let value = metric(&found, name);
        assert!(value >= least, "{name} {value}, not {least}");
    };
    is("fused_written_bytes_total", 105_000.0);
    is("fused_waiting_files", 1.0);
    is("fused_staged_bytes", 5_000.0);
    is("fused_open_files", 1.0);
    is("fused_uploads_total{result=\"done\"}", 1.0);
    is("fused_uploads_total{result=\"failed\"}", 0.0);
    is("fused_request_seconds_count{operation=\"create\"}", 2.0);
    is(
        "fused_request_seconds_bucket{operation=\"create\",le=\"+Inf\"}",
        2.0,
    );
    least("fused_request_seconds_sum{operation=\"create\"}", 0.0);
    least("fused_request_seconds_count{operation=\"write\"}", 2.0);
    least("fused_known_inodes", 3.0);
    least("fused_sent_bytes_total", 100_000.0);
    least("fused_server_requests_total{result=\"ok\"}", 2.0);
    // How many depends on what was listed when the name was asked for.
    least("fused_server_requests_total{result=\"refused\"}", 0.0);
    open.close();
    mounted.unmount();
}

/// What `fused status` prints.
pub fn status(at: &MountPoint, arguments: &[&str]) -> String {
    let output = Command::new(binary("fused"))
        .args(["status", "--staging"])
        .arg(at.staging())
        .args(arguments)
        .output()
        .expect("fused can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What waits to be uploaded.
pub fn waiting(at: &MountPoint) -> Vec<Value> {
    let found: Value = serde_json::from_str(&status(at, &["--json"])).expect("JSON");
    let waiting = found[0]["waiting"].as_array();
    waiting.expect("something is mounted").clone()
}

/// Somebody who makes a file, waits for a line, and then writes a MiB of zeros into it. It is a process of
/// its own: a file that is open here would be flushed whenever a process is started from here.
fn writer(at: &MountPoint, name: &str) -> Child {
    let script = "exec 3>\"$1\"; echo made; read line; head -c 1048576 /dev/zero >&3";
    let mut child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(at.path().join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    let mut made = [0; 5];
    let stdout = child.stdout.as_mut().expect("it is piped");
    stdout.read_exact(&mut made).expect("the file is made");
    child
}

fn go_on(writer: &mut Child) {
    let stdin = writer.stdin.as_mut().expect("it is piped");
    stdin.write_all(b"go\n").expect("it waits for a line");
}

#[test]
fn status_tells_how_uploads_go() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--wait", "3"]);
    let mut writer = writer(&at, "file");
    assert!(rack.stop().success());
    go_on(&mut writer);
    let upload = || {
        waiting(&at)
            .first()
            .map_or(Value::Null, |it| it["upload"].clone())
    };
    soon("it is uploaded", || upload()["running"] == true);
    let found = waiting(&at);
    let size = Value::from(1 << 20);
    assert_eq!(
        (&found[0]["key"], &found[0]["size"]),
        (&"file".into(), &size)
    );
    let running = &found[0]["upload"];
    assert_eq!((&running["sent"], &running["total"]), (&0.into(), &size));
    writer.wait().expect("it ends");
    soon("it failed", || upload()["running"] == false);
    let failed = upload();
    assert!(failed["attempts"].as_u64() >= Some(1), "{failed}");
    assert!(
        failed["error"].as_str().is_some_and(|it| !it.is_empty()),
        "{failed}"
    );
    let said = status(&at, &[]);
    assert!(said.contains("file (1.0 MiB), failed "), "{said}");

    let rack = site.start();
    mounted.unmount();
    let stored = rack.s3().get(&format!("{}/file", rack.bucket()));
    assert_eq!(stored.body.len(), 1 << 20);
    assert_eq!(status(&at, &["--json"]).trim(), "[]");
}
