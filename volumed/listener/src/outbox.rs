use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::timeout;
use volumed_nbd::server::Reply;
use volumed_stream::Stream;

use super::budget::Budget;

/// Segments that one system call takes: a head and a body for every reply.
const SEGMENTS: usize = 128;

/// Replies that are held back while corked, in bytes.
const CORKED: u64 = 256 << 10;

/// Replies on their way to one client, from any thread.
///
/// Whoever adds a reply writes it, and what others added meanwhile, to the socket at once. While
/// the connection's own thread submits a batch of requests, replies are *corked*: they gather, and
/// go with one system call when it is done.
#[derive(Debug)]
pub(super) struct Outbox {
    stream: Arc<Stream>,
    /// What the replies' costs go back to.
    budget: Arc<Budget>,
    queue: Mutex<Queue>,
    answered: AtomicU64,
    /// The sum of the costs of the replies that have left.
    released: AtomicU64,
    /// Something was answered or has left.
    progress: Notify,
    /// The socket was full.
    blocked: Notify,
    /// The client takes no replies any more.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Batch,
    /// What was being written when the socket was full; goes before `waiting`.
    unsent: Batch,
    corked: bool,
    /// Somebody is writing, or will as soon as the socket takes more.
    writing: bool,
    broken: bool,
}

#[derive(Debug, Default)]
struct Batch {
    replies: VecDeque<Outgoing>,
    cost: u64,
}

#[derive(Debug)]
struct Outgoing {
    reply: Reply,
    sent: usize,
    cost: u64,
}

impl Outbox {
    pub fn new(stream: Arc<Stream>, budget: Arc<Budget>) -> Self {
        Self {
            stream,
            budget,
            queue: Mutex::default(),
            answered: AtomicU64::new(0),
            released: AtomicU64::new(0),
            progress: Notify::new(),
            blocked: Notify::new(),
            gone: Notify::new(),
        }
    }

    /// Adds the reply to a request; `cost` counts as released once it has left.
    pub fn push(&self, reply: Reply, cost: u64) {
        let write = {
            let mut queue = self.lock();
            if queue.broken {
                self.release(cost);
                false
            } else {
                queue.waiting.push(reply, cost);
                let held = queue.corked && queue.waiting.cost < CORKED;
                let write = !held && !queue.writing;
                queue.writing |= write;
                write
            }
        };
        self.answered.fetch_add(1, Ordering::Release);
        if write {
            self.write(Batch::default());
        }
        self.progress.notify_one();
    }

    /// How many replies were added so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// The sum of the costs of the replies that have left so far.
    pub fn released(&self) -> u64 {
        self.released.load(Ordering::Relaxed)
    }

    /// Waits until [`Self::answered`] or [`Self::released`] may have grown.
    pub async fn progress(&self) {
        self.progress.notified().await;
    }

    /// Gathers what is pushed, until [`Self::uncork`].
    pub fn cork(&self) {
        self.lock().corked = true;
    }

    /// Sends what was gathered.
    pub fn uncork(&self) {
        let mut queue = self.lock();
        queue.corked = false;
        if queue.writing || queue.waiting.replies.is_empty() {
            return;
        }
        queue.writing = true;
        drop(queue);
        self.write(Batch::default());
    }

    /// Waits until the client takes no replies any more.
    pub async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Sends what did not fit the socket, whenever it takes more. Never returns.
    pub async fn send_rest(&self) {
        loop {
            self.blocked.notified().await;
            if self.until_writable().await {
                let rest = std::mem::take(&mut self.lock().unsent);
                self.write(rest);
            } else {
                self.break_off(&mut Batch::default());
            }
        }
    }

    /// False if the client is gone, or takes nothing while others lack the memory that it holds.
    async fn until_writable(&self) -> bool {
        loop {
            match timeout(self.budget.patience(), self.stream.writable()).await {
                Ok(writable) => return writable.is_ok(),
                Err(_) if self.budget.is_short() => {
                    tracing::info!("dropping an NBD client that takes no replies: memory is short");
                    return false;
                }
                Err(_) => {}
            }
        }
    }

    fn release(&self, cost: u64) {
        self.released.fetch_add(cost, Ordering::Relaxed);
        self.budget.give_back(cost);
    }

    /// Writes `batch`, then what waits, until nothing does. The caller has set `writing`.
    fn write(&self, mut batch: Batch) {
        loop {
            match self.write_batch(&mut batch) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.lock().unsent = batch;
                    self.blocked.notify_one();
                    return;
                }
                Err(_) => return self.break_off(&mut batch),
            }
            let mut queue = self.lock();
            if queue.waiting.replies.is_empty() {
                queue.writing = false;
                return;
            }
            std::mem::swap(&mut batch, &mut queue.waiting);
        }
    }

    fn write_batch(&self, batch: &mut Batch) -> io::Result<()> {
        while !batch.replies.is_empty() {
            let mut slices = [IoSlice::new(&[]); SEGMENTS];
            let count = batch.fill(&mut slices);
            let sent = self.stream.try_write(&slices[..count])?;
            let released = batch.drop_sent(sent);
            if released > 0 {
                self.release(released);
                self.progress.notify_one();
            }
        }
        self.stream.try_flush()
    }

    /// The client is gone: nothing will be written any more.
    fn break_off(&self, batch: &mut Batch) {
        let mut queue = self.lock();
        queue.broken = true;
        let waiting = std::mem::take(&mut queue.waiting);
        let unsent = std::mem::take(&mut queue.unsent);
        drop(queue);
        self.release(batch.cost + waiting.cost + unsent.cost);
        self.progress.notify_one();
        self.gone.notify_one();
    }

    /// A thread that panicked holding the lock left nothing half done in the queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let queue = self.lock();
        let left = queue.waiting.cost + queue.unsent.cost;
        drop(queue);
        self.budget.give_back(left);
    }
}

impl Batch {
    fn push(&mut self, reply: Reply, cost: u64) {
        self.cost += cost;
        self.replies.push_back(Outgoing {
            reply,
            sent: 0,
            cost,
        });
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self
            .replies
            .iter()
            .flat_map(Outgoing::rest)
            .filter(|part| !part.is_empty());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Forgets the first `count` bytes; returns the cost of the replies that are thereby done.
    fn drop_sent(&mut self, mut count: usize) -> u64 {
        let mut released = 0;
        while let Some(first) = self.replies.front_mut() {
            let left = first.left();
            if count < left {
                first.sent += count;
                break;
            }
            count -= left;
            released += first.cost;
            self.replies.pop_front();
        }
        self.cost -= released;
        released
    }
}

impl Outgoing {
    fn left(&self) -> usize {
        self.reply.head().len() + self.reply.body().len() - self.sent
    }

    fn rest(&self) -> [&[u8]; 2] {
        let (head, body) = (self.reply.head(), &self.reply.body()[..]);
        let in_head = self.sent.min(head.len());
        [&head[in_head..], &body[self.sent - in_head..]]
    }
}
