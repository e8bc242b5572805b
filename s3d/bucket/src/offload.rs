//! Where work that blocks on the index runs.

use std::panic::resume_unwind;
use std::time::Duration;

use crate::index_thread::INDEX_THREAD;

/// Where work that blocks on the index runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// On a thread for such work, or when that is busy on the runtime's threads for blocking work.
    #[default]
    Threads,
    /// On the caller's thread. Right only over a device whose calls never wait for a runtime, as
    /// in simulation, where it makes every run repeatable.
    Inline,
}

impl Offload {
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Inline => work(),
            Self::Threads => match INDEX_THREAD.try_run(work) {
                Ok(done) => match done.await {
                    Ok(outcome) => outcome.unwrap_or_else(|panic| resume_unwind(panic)),
                    Err(_) => unreachable!("the thread answers whatever it takes"),
                },
                Err(work) => run_on_pool(work).await,
            },
        }
    }

    /// Runs work that nobody waits for.
    pub(crate) fn detach(self, work: impl FnOnce() + Send + 'static) {
        match (self, tokio::runtime::Handle::try_current()) {
            (Self::Threads, Ok(runtime)) => drop(runtime.spawn_blocking(work)),
            _ => work(),
        }
    }

    /// Leaves the core to others for a moment.
    pub(crate) fn pause(self) {
        if self == Self::Threads {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

async fn run_on_pool<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
