//! What Prometheus is told.

mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::mount::Mount;

/// Upper bounds of the histogram's buckets in microseconds, as those of s3d: 0.1 ms to 26 s.
const BOUNDS: [u64; 10] = [
    100, 400, 1_600, 6_400, 25_600, 102_400, 409_600, 1_638_400, 6_553_600, 26_214_400,
];

macro_rules! operations {
    ($($operation:ident = $name:literal),* $(,)?) => {
        /// What the kernel asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Operation { $($operation),* }

        /// Their names, in order.
        const OPERATIONS: &[&str] = &[$($name),*];
    };
}

operations! {
    Lookup = "lookup", Getattr = "getattr", Setattr = "setattr", Readlink = "readlink",
    Mknod = "mknod", Mkdir = "mkdir", Unlink = "unlink", Rmdir = "rmdir", Symlink = "symlink",
    Rename = "rename", Open = "open", Create = "create", Read = "read", Write = "write",
    Flush = "flush", Fsync = "fsync", Release = "release", Opendir = "opendir",
    Readdir = "readdir", Statfs = "statfs", Getxattr = "getxattr", Listxattr = "listxattr",
    Setxattr = "setxattr", Removexattr = "removexattr", Lseek = "lseek",
    Fallocate = "fallocate", CopyFileRange = "copy_file_range",
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The object is as the file was.
    Done,
    /// It could not be made so.
    Failed,
    /// Somebody else had changed the object.
    Conflict,
}

/// What was counted since the mount began.
#[derive(Debug)]
pub struct Metrics {
    requests: Vec<Histogram>,
    read: AtomicU64,
    written: AtomicU64,
    uploads: [AtomicU64; 3],
}

#[derive(Debug, Default)]
struct Histogram {
    /// How many took at most as long as each bound, and longer than the one before; the last: longer
    /// than all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    fn count(&self, took: Duration) {
        let microseconds = took.as_micros();
        let bucket = BOUNDS.partition_point(|bound| u128::from(*bound) < microseconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// A request of the kernel that is being answered; it is counted when this is dropped.
pub struct Timer<'a> {
    metrics: &'a Metrics,
    operation: Operation,
    began: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.metrics.requests[self.operation as usize].count(self.began.elapsed());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: OPERATIONS.iter().map(|_| Histogram::default()).collect(),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            uploads: Default::default(),
        }
    }
}

impl Metrics {
    /// A request of the kernel begins.
    pub fn timer(&self, operation: Operation) -> Timer<'_> {
        Timer {
            metrics: self,
            operation,
            began: Instant::now(),
        }
    }

    /// Bytes were given to the kernel.
    pub fn read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes came from the kernel.
    pub fn written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// An upload ended.
    pub fn uploaded(&self, how: Uploaded) {
        self.uploads[how as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Listens, so that what is wrong with the address is said before anything is mounted.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("metrics cannot be served at {address}"))
}

/// Serves `/metrics` until the program ends.
pub fn serve(mount: &Arc<Mount>, listener: TcpListener) {
    let served = mount.clone();
    let page = move || {
        let mount = served.clone();
        async move {
            (
                [(CONTENT_TYPE, "text/plain; version=0.0.4")],
                page::of(&mount),
            )
        }
    };
    let router = Router::new().route("/metrics", get(page));
    mount.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_within_it() {
        let histogram = Histogram::default();
        for microseconds in [0, 100, 101, 26_214_400, 26_214_401] {
            histogram.count(Duration::from_micros(microseconds));
        }
        let counts = histogram.buckets.map(AtomicU64::into_inner);
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }
}
