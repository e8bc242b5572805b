//! The threads on which waiting for a disk is allowed: each disk has its own, so that one that hangs
//! holds up no other.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use volumed_core::DiskNumber;

/// An SSD is kept busy by as many requests as a client usually has under way.
const MAX_THREADS: usize = 32;

/// How long a thread without work stays.
const STAY: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// A thread without work, and how it gets some.
struct Idle {
    number: u64,
    hand: Sender<(Job, Idle)>,
}

#[derive(Default)]
struct Threads {
    count: usize,
    /// How many were started so far.
    started: u64,
    /// Those without work, the last one to end its job last: it goes on first, while its memory is
    /// still in the processor's cache. None when jobs wait.
    idle: Vec<Idle>,
    waiting: VecDeque<Job>,
    ended: bool,
}

/// Runs jobs that may wait for one disk; dropping it lets its threads end once the jobs are done.
pub(crate) struct Pool {
    disk: DiskNumber,
    threads: Arc<Mutex<Threads>>,
}

impl Pool {
    /// With one thread, which stays: later the system may have none to give.
    pub fn start(disk: DiskNumber) -> io::Result<Self> {
        let threads = Arc::new(Mutex::new(Threads {
            count: 1,
            started: 1,
            ..Threads::default()
        }));
        let pool = Self { disk, threads };
        pool.add_thread(0, None)?;
        Ok(pool)
    }

    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let job = Box::new(job);
        let mut threads = self.threads.lock();
        if let Some(idle) = threads.idle.pop() {
            drop(threads);
            let hand = idle.hand.clone();
            // It waits for as long as it counts as idle.
            let _ = hand.send((job, idle));
            return;
        }
        threads.waiting.push_back(job);
        if threads.count < MAX_THREADS {
            let number = threads.started;
            threads.count += 1;
            threads.started += 1;
            drop(threads);
            if self.add_thread(number, Some(STAY)).is_err() {
                self.threads.lock().count -= 1;
            }
        }
    }

    /// Whether jobs wait for a thread.
    pub fn is_behind(&self) -> bool {
        !self.threads.lock().waiting.is_empty()
    }

    /// Whether a thread works, or ought to.
    pub fn is_busy(&self) -> bool {
        let threads = self.threads.lock();
        threads.count > threads.idle.len()
    }

    /// `stay`: how long it waits for a job, for ever without it.
    fn add_thread(&self, number: u64, stay: Option<Duration>) -> io::Result<()> {
        let threads = Arc::clone(&self.threads);
        std::thread::Builder::new()
            .name(format!("disk-{}", self.disk.0))
            .spawn(move || work(&threads, number, stay))
            .map(drop)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut threads = self.threads.lock();
        threads.ended = true;
        threads.idle.clear();
    }
}

fn work(threads: &Mutex<Threads>, number: u64, stay: Option<Duration>) {
    let (hand, handed) = channel();
    let mut own = Idle { number, hand };
    loop {
        let mut all = threads.lock();
        let job = if let Some(job) = all.waiting.pop_front() {
            drop(all);
            job
        } else if all.ended {
            return;
        } else {
            all.idle.push(own);
            drop(all);
            let Some((job, idle)) = wait(threads, number, &handed, stay) else {
                return;
            };
            own = idle;
            job
        };
        job();
    }
}

/// Waits for a job; none comes when the pool has ended, or in the time that the thread stays.
fn wait(
    threads: &Mutex<Threads>,
    number: u64,
    handed: &Receiver<(Job, Idle)>,
    stay: Option<Duration>,
) -> Option<(Job, Idle)> {
    let Some(stay) = stay else {
        return handed.recv().ok();
    };
    match handed.recv_timeout(stay) {
        Ok(job) => return Some(job),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => {}
    }
    let mut all = threads.lock();
    if let Some(at) = all.idle.iter().position(|idle| idle.number == number) {
        all.idle.remove(at);
        all.count -= 1;
        return None;
    }
    drop(all);
    // A job is on its way.
    handed.recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn as_many_jobs_wait_for_the_disk_at_once_as_it_has_threads() {
        let pool = Pool::start(DiskNumber(1)).unwrap();
        let all = Arc::new(Barrier::new(MAX_THREADS));
        let (done, ended) = channel();
        // Twice: the second time the threads are there already.
        for _ in 0..2 * MAX_THREADS {
            let (all, done) = (all.clone(), done.clone());
            pool.run(move || {
                all.wait();
                done.send(()).unwrap();
            });
        }
        for _ in 0..2 * MAX_THREADS {
            ended.recv().unwrap();
        }
        assert_eq!(pool.threads.lock().count, MAX_THREADS);
    }

    #[test]
    fn jobs_end_before_the_threads_do() {
        let pool = Pool::start(DiskNumber(1)).unwrap();
        let (done, ended) = channel();
        for job in 0..100 {
            let done = done.clone();
            pool.run(move || done.send(job).unwrap());
        }
        drop((pool, done));
        assert_eq!(ended.iter().count(), 100);
    }
}
