//! How the uploads of a file go, from the first that began until one is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::files::FileState;
use crate::mount::Mount;
use crate::retrying;
use crate::status::{Progress, Waiting};

/// How often it is written down how uploads go.
const PERIOD: Duration = Duration::from_secs(1);

/// The uploads of a file since it was as the object.
#[derive(Debug, Clone)]
pub struct Attempts {
    /// When the first one began, in seconds since 1970.
    since: u64,
    /// How many began.
    count: u32,
    /// Bytes that travel in the last one.
    total: u64,
    /// How many of them have been sent.
    sent: Arc<AtomicU64>,
    /// Why the last one that ended did not make the object.
    error: Option<String>,
    /// When it is tried again; `None`: an upload is under way or about to be.
    pub again: Option<Instant>,
}

impl Attempts {
    /// An upload in which so many bytes travel begins; what was sent of them is to be added to the
    /// counter. `before`: the uploads of before.
    pub fn begin(before: Option<Self>, total: u64) -> (Self, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        let first = Self {
            since: seconds(),
            count: 0,
            total: 0,
            sent: sent.clone(),
            error: None,
            again: None,
        };
        let before = before.unwrap_or(first);
        let begun = Self {
            count: before.count.saturating_add(1),
            total,
            sent: sent.clone(),
            again: None,
            ..before
        };
        (begun, sent)
    }

    /// The upload failed. `pause`: how long after the first one that fails it is tried again.
    pub fn failed(&mut self, error: String, pause: Duration) {
        self.error = Some(error);
        self.again = Some(Instant::now() + retrying::pause(pause, self.count));
    }

    fn progress(&self, running: bool) -> Progress {
        Progress {
            running,
            sent: self.sent.load(Ordering::Relaxed),
            total: self.total,
            since: self.since,
            attempts: self.count,
            error: self.error.clone(),
        }
    }
}

/// Seconds since 1970.
pub fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Mount {
    /// Writes down how uploads go as long as the program runs, for `fused status`.
    pub fn report_uploads(self: &Arc<Self>) {
        let mount = self.clone();
        self.spawn(async move {
            let mut written = Vec::new();
            loop {
                tokio::time::sleep(PERIOD).await;
                let uploads = mount.uploads();
                if uploads == written {
                    continue;
                }
                if let Err(error) = mount.staging.report(&uploads) {
                    tracing::debug!(%error, "it cannot be written down how uploads go");
                }
                written = uploads;
            }
        });
    }

    /// The files of which an upload began and none is done.
    fn uploads(&self) -> Vec<Waiting> {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        let mut found = Vec::new();
        for file in files {
            let state = file.state.lock();
            let Some(attempts) = &state.attempts else {
                continue;
            };
            let tree = self.tree.lock();
            if let (Some(key), Some(node)) = (tree.key(file.ino), tree.get(file.ino)) {
                found.push(Waiting {
                    key,
                    size: node.size,
                    changed: changed(&state),
                    staged: None,
                    start: 0,
                    upload: Some(attempts.progress(state.uploading)),
                });
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }
}

fn changed(state: &FileState) -> u64 {
    let staged = state.staged.as_ref();
    staged.map_or(0, |staged| staged.stage.changes().total())
}
