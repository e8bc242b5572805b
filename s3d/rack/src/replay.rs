//! The body of a request that may have to be sent a second time, since a bucket moved.
//!
//! What was read of it is kept as long as it is at most [`KEPT`]; beyond, the body can be sent on but not
//! again. Attempts follow one another: of an earlier one, whatever still holds it, nothing more is read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

/// Bytes that are kept at most.
const KEPT: usize = 64 * 1024;

/// A body that may be sent again.
#[derive(Debug, Clone)]
pub struct Replay(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What was not read yet.
    rest: Body,
    /// What was, in its pieces.
    sent: Vec<Bytes>,
    sent_bytes: usize,
    /// Which attempt reads.
    attempt: u64,
}

/// Whether the client may be asked for its body: it waits for that, if it says so.
#[derive(Debug, Default)]
pub struct Permit {
    given: AtomicBool,
    waker: AtomicWaker,
}

impl Permit {
    /// The body is wanted.
    pub fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.given.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.waker.register(context.waker());
        // It may have been given in between.
        if self.given.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Replay {
    /// Wraps a body.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(State {
            rest: body,
            sent: Vec::new(),
            sent_bytes: 0,
            attempt: 0,
        })))
    }

    /// The whole body once more. It is not read before `permit` is given, if there is one.
    pub fn attempt(&self, permit: Option<Arc<Permit>>) -> Body {
        let mut state = self.0.lock();
        if state.sent.is_empty() && permit.is_none() && state.rest.is_end_stream() {
            return Body::empty();
        }
        state.attempt += 1;
        Body::new(Attempt {
            replay: self.clone(),
            number: state.attempt,
            next: 0,
            permit,
        })
    }

    /// Whether all that was read was kept.
    pub fn is_whole(&self) -> bool {
        self.0.lock().sent_bytes <= KEPT
    }

    /// What nobody read, unless all was; the attempt that reads ends.
    pub fn unread(&self) -> Option<Body> {
        let mut state = self.0.lock();
        state.attempt += 1;
        let rest = std::mem::take(&mut state.rest);
        (!rest.is_end_stream()).then_some(rest)
    }
}

impl State {
    fn keep(&mut self, bytes: &Bytes) {
        self.sent_bytes += bytes.len();
        if self.sent_bytes <= KEPT {
            self.sent.push(bytes.clone());
        } else {
            self.sent = Vec::new();
        }
    }
}

/// One way of the body to a server.
struct Attempt {
    replay: Replay,
    number: u64,
    /// The piece of what was read before that comes next.
    next: usize,
    permit: Option<Arc<Permit>>,
}

impl HttpBody for Attempt {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(permit) = &self.permit {
            ready!(permit.poll(context));
        }
        let replay = self.replay.clone();
        let mut state = replay.0.lock();
        if state.attempt != self.number {
            return Poll::Ready(None);
        }
        if let Some(bytes) = state.sent.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
        }
        let frame = ready!(Pin::new(&mut state.rest).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    state.keep(bytes);
                    self.next = state.sent.len();
                }
            }
            Some(Err(_)) => {}
            // Not every body knows that it has ended.
            None => state.rest = Body::empty(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.replay.0.lock();
        state.attempt != self.number
            || (self.next >= state.sent.len() && state.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.replay.0.lock();
        let again: usize = state.sent.iter().skip(self.next).map(Bytes::len).sum();
        match state.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + again as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::FutureExt as _;
    use http_body_util::BodyExt as _;

    use super::*;

    fn replay(pieces: &[&'static [u8]]) -> Replay {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece)))
            .collect();
        Replay::new(Body::from_stream(futures::stream::iter(pieces)))
    }

    async fn whole(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_body_is_sent_again_from_its_beginning() {
        let replay = replay(&[b"abc", b"de", b"f"]);
        let mut first = replay.attempt(None);
        for piece in ["abc", "de"] {
            let frame = first.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        let second = replay.attempt(None);
        assert!(first.frame().await.is_none());
        assert_eq!(whole(second).await, "abcdef");
        assert!(replay.is_whole() && replay.unread().is_none());
        assert_eq!(whole(replay.attempt(None)).await, "abcdef");
    }

    #[tokio::test]
    async fn a_long_body_is_sent_once() {
        static LONG: [u8; KEPT] = [7; KEPT];
        let replay = replay(&[&LONG, b"a", b"b"]);
        let mut first = replay.attempt(None);
        first.frame().await.unwrap().unwrap();
        assert!(replay.is_whole());
        first.frame().await.unwrap().unwrap();
        assert!(!replay.is_whole());
        let frame = first.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "b");
        assert!(first.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_body_stays_one() {
        let replay = Replay::new(Body::empty());
        assert!(replay.attempt(None).is_end_stream());
        let known = Replay::new(Body::from("abc"));
        assert_eq!(known.attempt(None).size_hint().exact(), Some(3));
    }

    #[tokio::test]
    async fn nothing_is_read_before_it_is_wanted() {
        let replay = replay(&[b"abc"]);
        let permit = Arc::new(Permit::default());
        let mut body = replay.attempt(Some(permit.clone()));
        assert!(body.frame().now_or_never().is_none());
        permit.give();
        assert!(body.frame().await.is_some());
    }

    #[tokio::test]
    async fn what_was_not_read_comes_back() {
        let replay = replay(&[b"abc", b"de"]);
        let mut body = replay.attempt(None);
        body.frame().await.unwrap().unwrap();
        assert_eq!(whole(replay.unread().unwrap()).await, "de");
        assert!(body.frame().await.is_none());
    }
}
