//! Busy polling: a client that has one request under way at a time sends the next one a few microseconds
//! after its answer. Waking a thread up for it takes longer than that, so the thread looks for it
//! for a moment before it sleeps.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long the thread looks: what comes later was not worth staying awake for.
const MOMENT: Duration = Duration::from_micros(50);

/// Waits for what a client sends next.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// What was waited for last came within a moment.
    soon: bool,
    /// There is a processor for the client meanwhile.
    room: bool,
}

impl BusyPoll {
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            soon: false,
            room: processors > 1,
        }
    }

    /// Waits for `next`; awake for a moment if `idle`, nothing else being under way, and the last
    /// one came so soon. Other tasks and threads that can go on do so all the same.
    pub async fn wait_for<T>(&mut self, idle: bool, next: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let mut next = pin!(next);
        if self.soon && self.room && idle {
            while began.elapsed() < MOMENT {
                let look = poll_fn(|context| Poll::Ready(next.as_mut().poll(context)));
                if let Poll::Ready(next) = look.await {
                    return next;
                }
                std::thread::yield_now();
                tokio::task::yield_now().await;
            }
        }
        let next = next.await;
        self.soon = began.elapsed() < MOMENT;
        next
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_comes_is_had_however_late() {
        for soon in [true, false] {
            for idle in [true, false] {
                let mut waiting = BusyPoll { soon, room: true };
                assert_eq!(waiting.wait_for(idle, async { 7 }).await, 7);
                let (send, receive) = oneshot::channel();
                // Comes only if this thread serves other tasks, too.
                tokio::spawn(async move {
                    tokio::time::sleep(4 * MOMENT).await;
                    send.send(8)
                });
                assert_eq!(waiting.wait_for(idle, receive).await, Ok(8));
                assert!(!waiting.soon, "it came late");
            }
        }
    }
}
