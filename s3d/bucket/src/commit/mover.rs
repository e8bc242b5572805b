//! The mover: in the background it moves the rows that a prefix rename left where they were (B10).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::commit::change::Change;
use crate::commit::messages::{Message, Submission};
use crate::shared::Shared;

/// With so many bytes in the active memtable it waits for the fold, which runs by then: a memtable
/// that is much larger would make everybody wait (B3).
const UNFOLDED: usize = 20 << 20;

/// Between two attempts when a slice was refused, as it is when the pool is full.
const AGAIN: Duration = Duration::from_secs(1);

/// Shortest pause between two slices.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs until the bucket closes.
pub async fn run(shared: Arc<Shared>, messages: mpsc::WeakSender<Message>) {
    while shared.closed.get().is_none() {
        let folded = shared.folded.notified();
        if !shared.index.is_redirected() {
            // Closing the bucket tells the same as a fold.
            tokio::select! {
                () = shared.index.redirected().notified() => {}
                () = folded => {}
            }
        } else if shared.index.unfolded().bytes > UNFOLDED {
            // It may be that the fold has just ended.
            let _ = timeout(AGAIN, folded).await;
        } else {
            let begun = Instant::now();
            let moved = slice(&messages).await.is_some();
            // At least half of the time is for the changes of others.
            sleep(if moved {
                begun.elapsed().max(PAUSE)
            } else {
                AGAIN
            })
            .await;
        }
    }
}

/// `None` when it was refused.
async fn slice(messages: &mpsc::WeakSender<Message>) -> Option<()> {
    let (answer, done) = oneshot::channel();
    let change = Box::new(Change::MoveSlice);
    let message = Message::Submit(Submission { change, answer });
    messages.upgrade()?.send(message).await.ok()?;
    done.await.ok()?.ok().map(drop)
}
