use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::NodeId;

/// Each node has one seat, which its newest link takes once the one before has left it: what came
/// over an ended link never arrives behind what came over the next one.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<HashMap<NodeId, Arc<Seat>>>);

#[derive(Debug)]
struct Seat {
    /// The number of the newest link that wants it.
    newest: watch::Sender<u64>,
    taken: Arc<tokio::sync::Mutex<()>>,
}

/// A link's; free for the next one when it is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    number: u64,
    newest: watch::Receiver<u64>,
    _taken: OwnedMutexGuard<()>,
}

impl Seats {
    /// Has the node's link before end, and waits until it did.
    pub async fn take(&self, node: NodeId) -> Seated {
        let seat = Arc::clone(self.0.lock().entry(node).or_insert_with(Seat::new));
        let mut number = 0;
        seat.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Seated {
            number,
            newest: seat.newest.subscribe(),
            _taken: Arc::clone(&seat.taken).lock_owned().await,
        }
    }

    /// Has the node's link end, without another in its place.
    pub fn clear(&self, node: NodeId) {
        if let Some(seat) = self.0.lock().get(&node) {
            seat.newest.send_modify(|newest| *newest += 1);
        }
    }
}

impl Seat {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            newest: watch::Sender::new(0),
            taken: Arc::default(),
        })
    }
}

impl Seated {
    /// Waits until the seat is wanted by a newer link, or nobody is to have it.
    pub fn unseated(&self) -> impl Future<Output = ()> + Send + use<> {
        let (number, mut newest) = (self.number, self.newest.clone());
        async move {
            // The seat's sender lives as long as all links.
            let _ = newest.wait_for(|newest| *newest > number).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Whether a future is ready now.
    async fn ready<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn the_next_link_waits_until_the_one_before_has_left() {
        let seats = Seats::default();
        let first = seats.take(NodeId(1)).await;
        assert!(ready(pin!(first.unseated())).await.is_none());
        let mut second = pin!(seats.take(NodeId(1)));
        assert!(ready(second.as_mut()).await.is_none());
        first.unseated().await;
        drop(first);
        let second = second.await;
        assert!(ready(pin!(second.unseated())).await.is_none());
        seats.take(NodeId(2)).await;
        assert!(ready(pin!(second.unseated())).await.is_none());
        seats.clear(NodeId(1));
        second.unseated().await;
    }

    #[tokio::test]
    async fn a_link_that_waited_while_a_newer_one_came_leaves_at_once() {
        let seats = Seats::default();
        let first = seats.take(NodeId(1)).await;
        let mut second = pin!(seats.take(NodeId(1)));
        assert!(ready(second.as_mut()).await.is_none());
        let mut third = pin!(seats.take(NodeId(1)));
        assert!(ready(third.as_mut()).await.is_none());
        drop(first);
        let second = second.await;
        second.unseated().await;
        drop(second);
        assert!(ready(pin!(third.await.unseated())).await.is_none());
    }
}
