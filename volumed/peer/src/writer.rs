use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use tokio::sync::Notify;
use volumed_core::wire::Encoded;
use volumed_stream::Stream;

use crate::frames::PING;
use crate::pulse::Pulse;

/// Segments that one system call takes: a head and data for every frame.
const SEGMENTS: usize = 128;

/// Bytes of frames that are held back while corked.
const CORKED: usize = 256 << 10;

/// Bytes of frames that are worth a system call of their own.
const MANY: usize = 64 << 10;

/// Frames on their way to the other side, from any thread.
///
/// Frames leave in the order in which they were [pushed](Self::push). Whoever [flushes](Self::flush)
/// writes them, and what others push meanwhile. While the link's own task hands over what came in in one
/// read, frames are *corked*: they gather, and leave with one system call.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: Stream,
    pulse: Pulse,
    queue: Mutex<Queue>,
    /// The sum of the weights of the frames that have left, or never will.
    released: AtomicU64,
    /// It has grown.
    progress: Notify,
    /// The socket was full.
    blocked: Notify,
    /// The other side takes nothing any more.
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
    frames: VecDeque<Outgoing>,
    bytes: usize,
    weight: u64,
}

#[derive(Debug)]
struct Outgoing {
    /// What is left of it.
    parts: [Bytes; 2],
    weight: u64,
}

impl Writer {
    pub fn new(stream: Stream, pulse: Pulse) -> Self {
        Self {
            stream,
            pulse,
            queue: Mutex::default(),
            released: AtomicU64::new(0),
            progress: Notify::new(),
            blocked: Notify::new(),
            gone: Notify::new(),
        }
    }

    /// What is read.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Adds a frame, which leaves with the next [flush](Self::flush) at the latest; `weight` counts
    /// as released once it has left.
    pub fn push(&self, frame: Encoded, weight: u64) {
        self.add([frame.head.into(), frame.data], weight);
    }

    fn add(&self, parts: [Bytes; 2], weight: u64) {
        let mut queue = self.queue.lock();
        if queue.broken {
            drop(queue);
            self.release(weight);
        } else {
            queue.waiting.push(Outgoing { parts, weight });
        }
    }

    /// Sends what was pushed, unless it is corked.
    pub fn flush(&self) {
        let mut queue = self.queue.lock();
        let held = queue.corked && queue.waiting.bytes < CORKED;
        if held || queue.writing || queue.waiting.frames.is_empty() {
            return;
        }
        queue.writing = true;
        drop(queue);
        self.write(Batch::default());
    }

    /// The same if it is much; else it leaves with a later [flush](Self::flush).
    pub fn flush_many(&self) {
        if self.queue.lock().waiting.bytes >= MANY {
            self.flush();
        }
    }

    /// Gathers what is pushed, until [`Self::uncork`].
    pub fn cork(&self) {
        self.queue.lock().corked = true;
    }

    /// Sends what was gathered.
    pub fn uncork(&self) {
        self.queue.lock().corked = false;
        self.flush();
    }

    /// Says that this side is there, unless frames on their way say so as soon as there is room.
    pub fn ping(&self) {
        let idle = {
            let queue = self.queue.lock();
            !queue.writing && queue.waiting.frames.is_empty()
        };
        if idle {
            self.add([Bytes::from_static(&PING), Bytes::new()], 0);
        }
        // Frames that wait for answers which do not come have waited long enough.
        self.flush();
    }

    /// The sum of the weights of the frames that have left, or never will.
    pub fn released(&self) -> u64 {
        self.released.load(Ordering::Acquire)
    }

    /// Waits until [`Self::released`] may have grown.
    pub async fn progress(&self) {
        self.progress.notified().await;
    }

    /// Waits until the other side takes nothing any more.
    pub async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Sends what did not fit the socket, whenever it takes more. Never returns.
    pub async fn send_rest(&self) {
        loop {
            self.blocked.notified().await;
            if self.stream.writable().await.is_ok() {
                let rest = std::mem::take(&mut self.queue.lock().unsent);
                self.write(rest);
            } else {
                self.break_off();
            }
        }
    }

    /// Nothing leaves any more, and both sides find out.
    pub fn break_off(&self) {
        let left = {
            let mut queue = self.queue.lock();
            queue.broken = true;
            [
                std::mem::take(&mut queue.waiting),
                std::mem::take(&mut queue.unsent),
            ]
        };
        self.release(left.iter().map(|batch| batch.weight).sum());
        self.stream.shut_down();
        self.gone.notify_one();
    }

    fn release(&self, weight: u64) {
        if weight > 0 {
            self.released.fetch_add(weight, Ordering::Release);
            self.progress.notify_one();
        }
    }

    /// Writes `batch`, then what waits, until nothing does. The caller has set `writing`.
    fn write(&self, mut batch: Batch) {
        loop {
            match self.write_batch(&mut batch) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.wait_for_room(batch);
                }
                Err(_) => {
                    self.release(batch.weight);
                    return self.break_off();
                }
            }
            let mut queue = self.queue.lock();
            if queue.waiting.frames.is_empty() {
                queue.writing = false;
                return;
            }
            std::mem::swap(&mut batch, &mut queue.waiting);
        }
    }

    fn wait_for_room(&self, batch: Batch) {
        let mut queue = self.queue.lock();
        if queue.broken {
            drop(queue);
            return self.release(batch.weight);
        }
        queue.unsent = batch;
        drop(queue);
        self.blocked.notify_one();
    }

    fn write_batch(&self, batch: &mut Batch) -> io::Result<()> {
        while !batch.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SEGMENTS];
            let count = batch.fill(&mut slices);
            let sent = self.stream.try_write(&slices[..count])?;
            self.pulse.said();
            self.release(batch.drop_sent(sent));
        }
        self.stream.try_flush()
    }
}

impl Batch {
    fn push(&mut self, frame: Outgoing) {
        self.bytes += frame.length();
        self.weight += frame.weight;
        self.frames.push_back(frame);
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.frames.iter().flat_map(|frame| &frame.parts);
        let parts = parts.filter(|part| !part.is_empty());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Forgets the first `count` bytes; returns the weight of the frames that are thereby done.
    fn drop_sent(&mut self, mut count: usize) -> u64 {
        let mut released = 0;
        self.bytes -= count;
        while let Some(first) = self.frames.front_mut() {
            let left = first.length();
            if count < left {
                first.advance(count);
                break;
            }
            count -= left;
            released += first.weight;
            self.frames.pop_front();
        }
        self.weight -= released;
        released
    }
}

impl Outgoing {
    fn length(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn advance(&mut self, count: usize) {
        let in_head = count.min(self.parts[0].len());
        self.parts[0].advance(in_head);
        self.parts[1].advance(count - in_head);
    }
}
