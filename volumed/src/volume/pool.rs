//! The threads on which waiting for a disk is allowed: each disk has its own, so that one that hangs
//! holds up no other.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use volumed_core::DiskNumber;

/// An SSD is kept busy by as many requests as a client usually has under way.
const MAX_THREADS: usize = 32;

/// How long a thread without work stays.
const STAY: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    idle: usize,
    ended: bool,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

/// Runs jobs that may wait for one disk; dropping it lets its threads end once the jobs are done.
pub(super) struct Pool {
    disk: DiskNumber,
    queue: Arc<Queue>,
}

impl Pool {
    /// With one thread, which stays: later the system may have none to give.
    pub fn start(disk: DiskNumber) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        queue.jobs.lock().threads = 1;
        let pool = Self { disk, queue };
        pool.add_thread(None)?;
        Ok(pool)
    }

    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut jobs = self.queue.jobs.lock();
        jobs.waiting.push_back(Box::new(job));
        let missing = jobs.waiting.len() > jobs.idle && jobs.threads < MAX_THREADS;
        jobs.threads += usize::from(missing);
        drop(jobs);
        if !missing {
            self.queue.changed.notify_one();
        } else if self.add_thread(Some(STAY)).is_err() {
            self.queue.jobs.lock().threads -= 1;
        }
    }

    fn add_thread(&self, stay: Option<Duration>) -> io::Result<()> {
        let queue = Arc::clone(&self.queue);
        std::thread::Builder::new()
            .name(format!("disk-{}", self.disk.0))
            .spawn(move || queue.work(stay))
            .map(drop)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.jobs.lock().ended = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    /// Runs jobs until none comes in `stay`.
    fn work(&self, stay: Option<Duration>) {
        while let Some(job) = self.next(stay) {
            job();
        }
    }

    fn next(&self, stay: Option<Duration>) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.ended {
                return None;
            }
            jobs.idle += 1;
            let timed_out = match stay {
                Some(stay) => self.changed.wait_for(&mut jobs, stay).timed_out(),
                None => {
                    self.changed.wait(&mut jobs);
                    false
                }
            };
            jobs.idle -= 1;
            if timed_out && jobs.waiting.is_empty() {
                jobs.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[test]
    fn as_many_jobs_wait_for_the_disk_at_once_as_it_has_threads() {
        let pool = Pool::start(DiskNumber(1)).unwrap();
        let all = Arc::new(Barrier::new(MAX_THREADS));
        let (done, ended) = mpsc::channel();
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
        assert_eq!(pool.queue.jobs.lock().threads, MAX_THREADS);
    }

    #[test]
    fn jobs_end_before_the_threads_do() {
        let pool = Pool::start(DiskNumber(1)).unwrap();
        let (done, ended) = mpsc::channel();
        for job in 0..100 {
            let done = done.clone();
            pool.run(move || done.send(job).unwrap());
        }
        drop((pool, done));
        assert_eq!(ended.iter().count(), 100);
    }
}
