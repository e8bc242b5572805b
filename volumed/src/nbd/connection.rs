use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use volumed_nbd::server::{Command, Event, Replies, Requests};
use volumed_nbd::{NbdError, Violation};

use super::exports::{Export, Exports};
use super::handshake::{HandshakeError, shake_hands};
use super::outbox::Outbox;
use crate::metrics::Metrics;

/// What the requests of one connection may hold in memory together, in bytes; one larger request
/// alone is let through.
const BUDGET: u64 = 32 << 20;

/// What a request costs beside its payload, in bytes.
const REQUEST_COST: u64 = 512;

/// A client that did not choose an export by then is dropped.
const HANDSHAKE_TIME: Duration = Duration::from_mins(1);

/// How long the last replies wait for a client to take them.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ended otherwise than by the client's leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("no export was chosen in time")]
    Slow,
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// Serves one client until it leaves, its export is revoked (V2), or `stopped` comes.
pub(super) async fn serve<E: Exports>(
    mut stream: UnixStream,
    exports: &E,
    metrics: &Arc<Metrics>,
    stopped: impl Future<Output = ()>,
) -> Result<(), ConnectionError> {
    let mut stopped = pin!(stopped);
    let opened = tokio::select! {
        () = &mut stopped => return Ok(()),
        opened = tokio::time::timeout(HANDSHAKE_TIME, shake_hands(&mut stream, exports)) => opened,
    };
    let Some((export, requests)) = opened.map_err(|_| ConnectionError::Slow)?? else {
        return Ok(());
    };
    let (incoming, outgoing) = stream.into_split();
    let outbox = Arc::new(Outbox::new(outgoing));
    let mut transmission = Transmission::new(requests, outbox.clone(), metrics.clone());
    let work = async {
        let ended = async {
            tokio::select! {
                () = export.revoked() => {}
                () = stopped => {}
            }
        };
        let outcome = transmission.run(&export, incoming, pin!(ended)).await;
        transmission.until_answered().await;
        // A new owner must not wait for a client that does not read (V2).
        drop(export);
        transmission.until_taken().await;
        outcome
    };
    tokio::select! {
        outcome = work => outcome,
        () = outbox.send_rest() => Ok(()),
    }
}

/// The transmission phase of one connection.
struct Transmission {
    requests: Requests,
    replies: Replies,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    /// How many replies are owed or given.
    submitted: u64,
    /// The sum of their costs.
    spent: u64,
}

impl Transmission {
    fn new(requests: Requests, outbox: Arc<Outbox>, metrics: Arc<Metrics>) -> Self {
        Self {
            replies: requests.replies(),
            requests,
            outbox,
            metrics,
            submitted: 0,
            spent: 0,
        }
    }

    async fn run(
        &mut self,
        export: &impl Export,
        mut incoming: OwnedReadHalf,
        mut ended: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), ConnectionError> {
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                more = self.submit_all(export) => if !more? {
                    return Ok(());
                }
            }
            tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                read = incoming.read_buf(self.requests.input()) => if read? == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Submits what came in whole; false when the client wants no more. Dropping it while it
    /// waits loses the request that it waits with.
    async fn submit_all(&mut self, export: &impl Export) -> Result<bool, Violation> {
        self.outbox.cork();
        let more = loop {
            match self.requests.next_event() {
                Ok(Some(Event::Request { cookie, command })) => {
                    let cost = REQUEST_COST + payload(&command);
                    self.wait_for_room(cost).await;
                    self.submit(export, cookie, command, cost);
                }
                Ok(Some(Event::Answered(reply))) => {
                    self.submitted += 1;
                    self.spent += REQUEST_COST;
                    self.outbox.push(reply, REQUEST_COST);
                }
                Ok(Some(Event::Disconnect)) => break Ok(false),
                Ok(None) => break Ok(true),
                Err(violation) => break Err(violation),
            }
        };
        self.outbox.uncork();
        more
    }

    async fn wait_for_room(&mut self, cost: u64) {
        let in_use = |own: &Self| own.spent - own.outbox.released();
        if in_use(self) == 0 || in_use(self) + cost <= BUDGET {
            return;
        }
        self.outbox.uncork();
        while in_use(self) > 0 && in_use(self) + cost > BUDGET {
            self.outbox.progress().await;
        }
        self.outbox.cork();
    }

    fn submit(&mut self, export: &impl Export, cookie: u64, command: Command, cost: u64) {
        self.submitted += 1;
        self.spent += cost;
        let (replies, outbox) = (self.replies, self.outbox.clone());
        let read_at = match command {
            Command::Read { offset, .. } => Some(offset),
            _ => None,
        };
        let (metrics, timer) = (self.metrics.clone(), Metrics::begin(&command));
        let answer = move |result: Result<Bytes, NbdError>| {
            metrics.end(timer, result.is_ok());
            let reply = match (result, read_at) {
                (Ok(data), Some(offset)) => replies.data(cookie, offset, data),
                (Ok(_), None) => replies.done(cookie),
                (Err(error), _) => replies.error(cookie, error),
            };
            outbox.push(reply, cost);
        };
        export.submit(command, Box::new(answer));
    }

    /// Waits for the answers to what was submitted: an export is given up only when nothing of it
    /// is under way (V2).
    async fn until_answered(&self) {
        while self.outbox.answered() < self.submitted {
            self.outbox.progress().await;
        }
    }

    /// Gives the client some time to take its last replies.
    async fn until_taken(&self) {
        let taken = async {
            while self.outbox.released() < self.spent {
                self.outbox.progress().await;
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, taken).await;
    }
}

fn payload(command: &Command) -> u64 {
    match command {
        Command::Read { length, .. } => u64::from(*length),
        Command::Write { data, .. } => data.len() as u64,
        _ => 0,
    }
}
