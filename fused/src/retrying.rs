//! Trying failed uploads again, without anybody asking for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::Errno;
use tokio::sync::Semaphore;

use crate::errno::Outcome;
use crate::files::OpenFile;
use crate::mount::Mount;

/// Most files that are tried again at one time: a server that is away is waited for by few requests.
const PARALLEL: usize = 4;

/// How often it is looked what is due, at most.
const PERIOD: Duration = Duration::from_secs(1);

/// The longest pause, as a power of two of the first.
const DOUBLINGS: u32 = 4;

/// The pause behind upload number `count` of a file, counted from 1, before it is tried again.
pub fn pause(first: Duration, count: u32) -> Duration {
    first.saturating_mul(1 << count.saturating_sub(1).min(DOUBLINGS))
}

impl Mount {
    /// Tries uploads again that failed, as long as the program runs.
    pub fn retry_uploads(self: &Arc<Self>) {
        let mount = self.clone();
        let turns = Arc::new(Semaphore::new(PARALLEL));
        let period = PERIOD.min(self.options.retry);
        self.spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                mount.retry_due(&turns);
            }
        });
    }

    fn retry_due(self: &Arc<Self>, turns: &Arc<Semaphore>) {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        let now = Instant::now();
        for file in files {
            if !file.is_due(now) {
                continue;
            }
            let Ok(turn) = turns.clone().try_acquire_owned() else {
                return;
            };
            file.retry_begins();
            let mount = self.clone();
            self.spawn(async move {
                mount.retry(&file).await;
                drop(turn);
            });
        }
    }

    async fn retry(self: &Arc<Self>, file: &Arc<OpenFile>) {
        match self.upload_unwritten(file).await {
            Ok(()) => {
                tracing::info!(ino = file.ino.0, "what could not be uploaded before now is");
                self.retry_all();
            }
            // It may not have come so far as to begin; then nothing has said when it is due.
            Err(_) => file.retry_failed(Instant::now() + self.options.retry),
        }
        self.forget_file(file);
    }

    /// Uploads a file that nobody writes. Who opened it meanwhile flushes it when it is written.
    async fn upload_unwritten(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        let _one_at_a_time = file.upload.lock().await;
        if file.state.lock().writers > 0 {
            return Err(Errno::EAGAIN);
        }
        self.upload_locked(file).await
    }

    /// The server is back: nothing that failed has to wait any longer.
    fn retry_all(&self) {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        let now = Instant::now();
        for file in files {
            let mut state = file.state.lock();
            if let Some(attempts) = &mut state.attempts
                && attempts.again.is_some()
            {
                attempts.again = Some(now);
            }
        }
    }
}

impl OpenFile {
    /// Whether its upload failed some time ago, and nobody writes who will flush it.
    fn is_due(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let again = state.attempts.as_ref().and_then(|it| it.again);
        state.writers == 0 && !state.uploading && again.is_some_and(|again| again <= now)
    }

    /// It is being tried again: it is not due until that failed, too.
    fn retry_begins(&self) {
        if let Some(attempts) = &mut self.state.lock().attempts {
            attempts.again = None;
        }
    }

    /// Trying failed: it is due again then, unless the upload has said when.
    fn retry_failed(&self, again: Instant) {
        if let Some(attempts) = &mut self.state.lock().attempts {
            attempts.again.get_or_insert(again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let first = Duration::from_secs(30);
        let pauses = [1, 2, 3, 5, 6, u32::MAX].map(|count| pause(first, count).as_secs());
        assert_eq!(pauses, [30, 60, 120, 480, 480, 480]);
    }
}
