//! What went to a server and came back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::S3Error;
use crate::request::Answer;

/// What went to a server and came back since the client was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that the server refused, such as those for objects that are not there.
    pub refused: u64,
    /// Requests that the server did not answer, or could not serve.
    pub failed: u64,
    /// How long all of them took together.
    pub time: Duration,
    /// Bytes of the requests' bodies.
    pub sent: u64,
    /// Bytes of the answers' bodies.
    pub received: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    succeeded: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    /// A request with a body of `sent` bytes was sent once.
    pub fn count(&self, sent: usize, answer: &Result<Answer, S3Error>, took: Duration) {
        let (result, received) = match answer {
            Ok(answer) if answer.status.is_success() => (&self.succeeded, answer.body.len()),
            Ok(answer) if answer.status.is_server_error() => (&self.failed, answer.body.len()),
            Ok(answer) => (&self.refused, answer.body.len()),
            Err(_) => (&self.failed, 0),
        };
        result.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
        self.received.fetch_add(received as u64, Ordering::Relaxed);
    }

    pub fn read(&self) -> Traffic {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            succeeded: of(&self.succeeded),
            refused: of(&self.refused),
            failed: of(&self.failed),
            time: Duration::from_nanos(of(&self.nanoseconds)),
            sent: of(&self.sent),
            received: of(&self.received),
        }
    }
}
