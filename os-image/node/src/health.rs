//! Whether the daemons are ready: what decides whether something new is kept.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::run;

const VOLUMED: &str = "/var/lib/hayrack/volumed/admin.sock";
/// Plain, or with a certificate that is for another name than this one.
const S3D: [&str; 2] = [
    "http://127.0.0.1:9001/readyz",
    "https://127.0.0.1:9001/readyz",
];
const ANSWER: [&str; 5] = ["--silent", "--fail", "--insecure", "--max-time", "5"];
const PAUSE: Duration = Duration::from_secs(3);

/// Whether both daemons say within that time that they serve.
pub fn becomes_healthy(patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if is_healthy() {
            return true;
        }
        sleep(PAUSE);
    }
    false
}

fn is_healthy() -> bool {
    let volumed = ["--unix-socket", VOLUMED, "http://localhost/readyz"];
    let volumed = run("curl", ANSWER.iter().chain(&volumed)).is_ok();
    volumed
        && S3D
            .iter()
            .any(|url| run("curl", ANSWER.iter().chain([url])).is_ok())
}
