//! The threads on which waiting for a disk is allowed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Enough to keep an SSD busy; few enough not to fight over two cores.
const THREADS: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    changed: Condvar,
}

/// Runs jobs that may wait; dropping it lets its threads end once the jobs are done.
pub(super) struct Pool {
    queue: Arc<Queue>,
}

impl Pool {
    pub fn start() -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("disk-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self { queue })
    }

    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.queue.jobs.lock().0.push_back(Box::new(job));
        self.queue.changed.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.jobs.lock().1 = true;
        self.queue.changed.notify_all();
    }
}

fn work(queue: &Queue) {
    loop {
        let mut jobs = queue.jobs.lock();
        let job = loop {
            match jobs.0.pop_front() {
                Some(job) => break job,
                None if jobs.1 => return,
                None => queue.changed.wait(&mut jobs),
            }
        };
        drop(jobs);
        job();
    }
}
