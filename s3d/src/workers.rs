//! The threads that serve.
//!
//! Each has a runtime of its own, and a connection stays on the one that it was dealt to. Its
//! requests cross threads only where they wait for something that another one drives, such as the
//! log of a bucket. One runtime that moves tasks among its threads costs writes more than it gains.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// How long work that blocks may take at the end.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// The threads that serve, for who deals out connections.
#[derive(Debug)]
pub struct Workers {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl Workers {
    /// Those of these runtimes; there is one at least.
    pub fn new(handles: Vec<Handle>) -> Self {
        Self {
            handles,
            next: AtomicUsize::new(0),
        }
    }

    /// The one whose turn it is.
    pub fn next(&self) -> &Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.handles[turn % self.handles.len()]
    }
}

/// Runs `work` on this thread, the first of `count` workers. The others end after it.
pub fn run<F: Future>(count: usize, work: impl FnOnce(Workers) -> F) -> io::Result<F::Output> {
    let first = runtime()?;
    let others: Vec<Other> = (1..count).map(Other::start).collect::<io::Result<_>>()?;
    let mut handles = vec![first.handle().clone()];
    handles.extend(others.iter().map(|other| other.handle.clone()));
    let done = first.block_on(work(Workers::new(handles)));
    let threads: Vec<_> = others.into_iter().map(Other::end).collect();
    // What still runs waits for a volume daemon that is away, and nothing that was answered depends on it.
    first.shutdown_timeout(STRAGGLERS);
    for thread in threads {
        // One that panicked has said so.
        let _ = thread.join();
    }
    Ok(done)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A worker on a thread of its own.
struct Other {
    handle: Handle,
    /// Dropped, it ends the thread.
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Other {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("worker-{number}"));
        let thread = thread.spawn(move || {
            // Nothing is sent: the sender is dropped.
            let _ = runtime.block_on(ended);
            runtime.shutdown_timeout(STRAGGLERS);
        })?;
        Ok(Self {
            handle,
            end,
            thread,
        })
    }

    fn end(self) -> JoinHandle<()> {
        drop(self.end);
        self.thread
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn connections_are_dealt_out_to_all_in_turn() {
        let threads = run(3, |workers| async move {
            let mut threads = Vec::new();
            for _ in 0..6 {
                let task = workers.next().spawn(async { thread::current().id() });
                threads.push(task.await.expect("the worker runs"));
            }
            threads
        });
        let threads = threads.expect("threads can be had");
        assert_eq!(threads[0], thread::current().id());
        assert_eq!(threads[..3], threads[3..]);
        assert_eq!(threads.into_iter().collect::<HashSet<_>>().len(), 3);
    }
}
