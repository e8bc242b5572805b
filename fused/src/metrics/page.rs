//! The page that Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{BOUNDS, Histogram, OPERATIONS};
use crate::mount::Mount;

/// What is counted, and the state of things now.
pub fn of(mount: &Mount) -> String {
    let mut page = Page(String::new());
    let metrics = &mount.metrics;
    page.requests(&metrics.requests);
    page.counter(
        "read_bytes",
        "Bytes that applications read",
        &[("", load(&metrics.read))],
    );
    page.counter(
        "written_bytes",
        "Bytes that applications wrote",
        &[("", load(&metrics.written))],
    );
    let traffic = mount.client.traffic();
    page.counter(
        "server_requests",
        "Requests to the server, each attempt of them, by result",
        &[
            ("{result=\"ok\"}", traffic.succeeded),
            ("{result=\"refused\"}", traffic.refused),
            ("{result=\"failed\"}", traffic.failed),
        ],
    );
    page.seconds(
        "server_seconds",
        "Seconds from requests to the server to their whole answers",
        traffic.time,
    );
    page.counter(
        "sent_bytes",
        "Bytes of bodies to the server",
        &[("", traffic.sent)],
    );
    page.counter(
        "received_bytes",
        "Bytes of bodies from the server",
        &[("", traffic.received)],
    );
    let [done, failed, conflict] = metrics.uploads.each_ref().map(load);
    page.counter(
        "uploads",
        "Uploads of files, by result",
        &[
            ("{result=\"done\"}", done),
            ("{result=\"failed\"}", failed),
            ("{result=\"conflict\"}", conflict),
        ],
    );
    page.state(mount);
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "# HELP fused_{name} {help}");
        let _ = writeln!(self.0, "# TYPE fused_{name} {kind}");
    }

    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        let name = format!("{name}_total");
        self.head(&name, help, "counter");
        for (labels, value) in values {
            let _ = writeln!(self.0, "fused_{name}{labels} {value}");
        }
    }

    fn seconds(&mut self, name: &str, help: &str, value: Duration) {
        let name = format!("{name}_total");
        self.head(&name, help, "counter");
        let _ = writeln!(self.0, "fused_{name} {}", value.as_secs_f64());
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        let _ = writeln!(self.0, "fused_{name} {value}");
    }

    /// What was asked for at all: each operation has a line for each bound.
    fn requests(&mut self, histograms: &[Histogram]) {
        let name = "request_seconds";
        self.head(
            name,
            "From a request of the kernel to its answer",
            "histogram",
        );
        for (operation, histogram) in OPERATIONS.iter().zip(histograms) {
            let counts = histogram.buckets.each_ref().map(load);
            let all: u64 = counts.iter().sum();
            if all == 0 {
                continue;
            }
            let label = format!("operation=\"{operation}\"");
            let mut within = 0;
            for (bound, count) in BOUNDS.iter().zip(counts) {
                within += count;
                let bound = Duration::from_micros(*bound).as_secs_f64();
                let _ = writeln!(
                    self.0,
                    "fused_{name}_bucket{{{label},le=\"{bound}\"}} {within}"
                );
            }
            let seconds = Duration::from_nanos(load(&histogram.nanoseconds)).as_secs_f64();
            let _ = writeln!(self.0, "fused_{name}_bucket{{{label},le=\"+Inf\"}} {all}");
            let _ = writeln!(self.0, "fused_{name}_sum{{{label}}} {seconds}");
            let _ = writeln!(self.0, "fused_{name}_count{{{label}}} {all}");
        }
    }

    fn state(&mut self, mount: &Mount) {
        let files: Vec<_> = mount.files.lock().values().cloned().collect();
        let (mut waiting, mut staged) = (0, 0);
        for file in files {
            let state = file.state.lock();
            waiting += u64::from(state.is_changed());
            let changes = state.staged.as_ref().map(|it| it.stage.changes().total());
            staged += changes.unwrap_or(0);
        }
        self.gauge(
            "waiting_files",
            "Files with changes that the server does not have",
            waiting,
        );
        self.gauge(
            "staged_bytes",
            "Bytes that were written and that the server does not have",
            staged,
        );
        let openers = mount.openers.lock().len() as u64;
        self.gauge("open_files", "How often files are open", openers);
        let inodes = mount.tree.lock().len() as u64;
        self.gauge(
            "known_inodes",
            "Files and directories that are kept in memory",
            inodes,
        );
        let followed = mount.coherent.load(Ordering::Relaxed);
        self.gauge(
            "feed_up",
            "Whether the bucket's change feed is followed",
            followed.into(),
        );
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
