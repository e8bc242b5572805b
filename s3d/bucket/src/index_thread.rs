//! A thread for work on the index that takes microseconds, as most of it does.
//!
//! tokio's pool wakes a thread under the lock that the thread then waits for, which takes longer than
//! the work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, mpsc};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The process's only one: work may also wait for the volume daemon, and what does not find the
/// thread free goes elsewhere.
pub static INDEX_THREAD: LazyLock<IndexThread> = LazyLock::new(IndexThread::start);

/// A thread that takes work while it has none.
pub struct IndexThread {
    busy: Arc<AtomicBool>,
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// What work came to, or its panic.
pub type Outcome<T> = std::thread::Result<T>;

impl IndexThread {
    /// Starts the thread. Where the system has none to give, it counts as busy for ever.
    fn start() -> Self {
        let (jobs, taken) = mpsc::channel::<Job>();
        let run = move || taken.into_iter().for_each(|job| job());
        let started = std::thread::Builder::new().name("index".into()).spawn(run);
        Self {
            busy: Arc::new(AtomicBool::new(started.is_err())),
            jobs,
        }
    }

    /// Begins work on the thread, within the caller's runtime, or gives it back when the thread is
    /// busy.
    pub fn try_run<T, W>(&self, work: W) -> Result<oneshot::Receiver<Outcome<T>>, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(work);
        }
        let (answer, done) = oneshot::channel();
        let busy = self.busy.clone();
        let runtime = Handle::current();
        let job = move || {
            let entered = runtime.enter();
            let outcome = catch_unwind(AssertUnwindSafe(work));
            drop(entered);
            busy.store(false, Ordering::Release);
            // Whoever asked may have stopped waiting.
            let _ = answer.send(outcome);
        };
        // The thread never ends before the process.
        let _ = self.jobs.send(Box::new(job));
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_finds_the_thread_busy_is_given_back() {
        let thread = IndexThread::start();
        let (go_on, wait) = mpsc::channel();
        let first = thread.try_run(move || wait.recv().unwrap()).ok().unwrap();
        let second = thread.try_run(|| 2).err().unwrap();
        assert_eq!(second(), 2);
        go_on.send(1).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(
            thread.try_run(|| 3).ok().unwrap().await.unwrap().unwrap(),
            3
        );
    }

    #[tokio::test]
    async fn a_panic_is_the_outcome_and_the_thread_goes_on() {
        let thread = IndexThread::start();
        let panics = thread.try_run(|| assert_eq!(1, 2)).ok().unwrap();
        assert!(panics.await.unwrap().is_err());
        assert_eq!(
            thread.try_run(|| 3).ok().unwrap().await.unwrap().unwrap(),
            3
        );
    }
}
