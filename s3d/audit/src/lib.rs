//! The audit log: who did what, from where, and how it ended.
//!
//! Each node keeps its own log in files, not in the metadata store: it is append-only, much larger
//! than the records, and must not slow them. A file is named by a number, `00000001.jsonl`, and holds
//! one JSON object a line, a whole [`Event`] each. At 4 MiB the next file is begun, and the oldest
//! beyond 16 is removed: 64 MiB, some 250,000 events. A line that a crash tore is passed over.

mod event;
mod query;
mod writer;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use s3d_accounts::{Meter, Origin, Rate, Throttle};
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use event::{Event, Who};
pub use query::{Cursor, Filter, Page};
use writer::{Entry, Writer};

/// Events that wait to be written, at most.
const WAITING: usize = 256;

/// Origins whose failures are counted.
const REMEMBERED: usize = 1_000;

/// Failures of all origins together that are recorded.
const FAILURES: Rate = Rate {
    burst: 1_000,
    period: Duration::from_hours(1),
};

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the audit log in {} cannot be used: {source}", .folder.display())]
pub struct AuditError {
    folder: PathBuf,
    source: io::Error,
}

/// The audit log of this node.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    entries: mpsc::Sender<Entry>,
    /// A flood of failures must not push the changes out.
    failures: Throttle<Origin>,
    all_failures: Meter,
    /// One reads at a time: each holds a file in memory.
    reading: Semaphore,
}

impl AuditLog {
    /// Opens the log in a folder, which is made if need be.
    pub fn open(folder: &Path) -> Result<Self, AuditError> {
        let failed = |source| AuditError {
            folder: folder.to_owned(),
            source,
        };
        let writer = Writer::open(folder).map_err(failed)?;
        let (entries, to_write) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(to_write))
            .map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            entries,
            failures: Throttle::new(10, Duration::from_mins(10), REMEMBERED),
            all_failures: Meter::default(),
            reading: Semaphore::new(1),
        })))
    }

    /// Records a change; when this answers, the event is durable. If it cannot be written, that is
    /// logged and the change stands: a full disk must not keep anybody from deleting.
    pub async fn record(&self, event: Event) {
        let (written, was_written) = oneshot::channel();
        let entry = Entry {
            event,
            written: Some(written),
        };
        if self.0.entries.send(entry).await.is_ok() {
            // The writer says in the log what went wrong.
            let _ = was_written.await;
        }
    }

    /// Records a failed sign-in or a refused key, unless there are too many of them.
    pub fn record_failure(&self, from: IpAddr, event: Event) {
        let now = Instant::now();
        let allowed = self.0.failures.take(&from.into(), now);
        if allowed.is_ok() && self.0.all_failures.take(FAILURES, now).is_ok() {
            let entry = Entry {
                event,
                written: None,
            };
            // When the writer is behind, a failure less is known.
            let _ = self.0.entries.try_send(entry);
        }
    }

    /// Events, the newest first.
    pub async fn query(&self, filter: Filter) -> Result<Page, AuditError> {
        let _turn = self.0.reading.acquire().await;
        let folder = self.0.folder.clone();
        let page = tokio::task::spawn_blocking(move || query::read(&folder, &filter));
        let page = page.await.map_err(io::Error::other).flatten();
        page.map_err(|source| AuditError {
            folder: self.0.folder.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests;
