//! What those who run a mount see of it, and what it does without them.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;

fn page(address: SocketAddr) -> String {
    let request = Request::new("GET", "/metrics").header("host", address.to_string());
    let answer = exchange(address, &request).expect("metrics are served");
    assert_eq!(answer.status, 200);
    answer.text()
}

/// The value of a line of metrics.
fn metric(page: &str, name: &str) -> f64 {
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
    fs::write(at.path().join("stored"), content(1, 100_000)).expect("it can be written");
    let mut open = File::create(at.path().join("open")).expect("it can be made");
    open.write_all(&content(2, 5_000))
        .expect("it can be written");
    assert_eq!(
        fs::read(at.path().join("stored"))
            .expect("it can be read")
            .len(),
        100_000
    );
    assert!(fs::metadata(at.path().join("none")).is_err());

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
    least("fused_server_requests_total{result=\"refused\"}", 1.0);
    drop(open);
    mounted.unmount();
}
