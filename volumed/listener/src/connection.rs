use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use volumed_nbd::server::{Command, Event, Replies, Requests};
use volumed_nbd::{Failure, Violation};
use volumed_stream::Stream;

use super::budget::{Budget, UNIT};
use super::busy_poll::BusyPoll;
use super::exports::{Export, Exports};
use super::handshake::{HandshakeError, Opened, shake_hands};
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::tls::Tls;

/// What the requests of one connection may hold in memory together, in bytes; one larger request
/// alone is let through.
const BUDGET: u64 = 32 << 20;

/// What a request costs beside its payload, in bytes.
const REQUEST_COST: u64 = UNIT;

/// What a BLOCK_STATUS costs at most while it is put together, in bytes.
const STATUS_COST: u64 = 80 << 10;

/// Requests of one connection that may wait for their answers.
const MOST_REQUESTS: u64 = 1024;

/// A client that did not choose an export by then is dropped.
const HANDSHAKE_TIME: Duration = Duration::from_mins(1);

/// How long the last replies wait for a client to take them.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a connection ended otherwise than by the client's leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("no export was chosen in time")]
    Slow,
    #[error("it sends nothing of the payload that it announced, and memory is short")]
    Stalled,
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// What connections need of the daemon.
pub(super) struct Service<E> {
    pub exports: Arc<E>,
    pub budget: Arc<Budget>,
    pub metrics: Arc<Metrics>,
}

impl<E> Clone for Service<E> {
    fn clone(&self) -> Self {
        Self {
            exports: self.exports.clone(),
            budget: self.budget.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

/// Serves one client until it leaves, its export is revoked (V2), or `stopped` comes; with `tls` it
/// has to speak TLS. `opened` is called when it has an export open.
pub(super) async fn serve<E: Exports>(
    stream: Stream,
    tls: Option<&Tls>,
    service: Service<E>,
    opened: impl FnOnce(),
    stopped: impl Future<Output = ()>,
) -> Result<(), ConnectionError> {
    let mut stopped = pin!(stopped);
    let negotiated = tokio::select! {
        () = &mut stopped => return Ok(()),
        negotiated = timeout(HANDSHAKE_TIME, shake_hands(stream, &*service.exports, tls)) => negotiated,
    };
    let Some(client) = negotiated.map_err(|_| ConnectionError::Slow)?? else {
        return Ok(());
    };
    opened();
    let Opened {
        stream,
        export,
        requests,
    } = client;
    let stream = Arc::new(stream);
    let outbox = Arc::new(Outbox::new(stream.clone(), service.budget.clone()));
    let mut transmission = Transmission::new(requests, outbox.clone(), &service);
    let work = async {
        let ended = async {
            tokio::select! {
                () = export.revoked() => {}
                () = outbox.gone() => {}
                () = stopped => {}
            }
        };
        let outcome = transmission.run(&export, &stream, pin!(ended)).await;
        transmission.until_answered().await;
        transmission.until_taken().await;
        // Before another owner can begin: a client that looks at its connection sees the end of it (V1).
        stream.shut_down();
        drop(export);
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
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    busy_poll: BusyPoll,
    /// How many replies are owed or given.
    submitted: u64,
    /// The sum of their costs.
    spent: u64,
    /// The cost of a WRITE whose payload is on its way.
    reserved: u64,
}

impl Transmission {
    fn new<E>(requests: Requests, outbox: Arc<Outbox>, service: &Service<E>) -> Self {
        Self {
            replies: requests.replies(),
            requests,
            outbox,
            budget: service.budget.clone(),
            metrics: service.metrics.clone(),
            busy_poll: BusyPoll::new(),
            submitted: 0,
            spent: 0,
            reserved: 0,
        }
    }

    async fn run(
        &mut self,
        export: &impl Export,
        stream: &Stream,
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
                read = self.read(stream) => if read? == 0 {
                    return Ok(());
                }
            }
        }
    }

    async fn read(&mut self, stream: &Stream) -> Result<usize, ConnectionError> {
        while self.reserved > 0 {
            let read = stream.read(self.requests.input());
            match timeout(self.budget.patience(), read).await {
                Ok(read) => return Ok(read?),
                Err(_) if self.budget.is_short() => return Err(ConnectionError::Stalled),
                Err(_) => {}
            }
        }
        let idle = self.outbox.answered() == self.submitted;
        let read = stream.read(self.requests.input());
        Ok(self.busy_poll.wait_for(idle, read).await?)
    }

    /// Submits what came in whole; false when the client wants no more. Dropping it while it
    /// waits loses the request that it waits with.
    async fn submit_all(&mut self, export: &impl Export) -> Result<bool, Violation> {
        // It may have grown.
        self.requests.set_size(export.size());
        self.outbox.cork();
        let more = loop {
            match self.requests.next_event() {
                Ok(Some(Event::Request { cookie, command })) => {
                    let cost = self.pay(&command).await;
                    self.submit(export, cookie, command, cost);
                }
                Ok(Some(Event::Answered(reply))) => {
                    self.wait_for_room(REQUEST_COST).await;
                    self.submitted += 1;
                    self.spent += REQUEST_COST;
                    self.outbox.push(reply, REQUEST_COST);
                }
                Ok(Some(Event::Disconnect)) => break Ok(false),
                Ok(None) => break Ok(true),
                Err(violation) => break Err(violation),
            }
        };
        // Before memory for it is made.
        let due = self.requests.payload_due();
        if due > 0 && self.reserved == 0 {
            let cost = cost(due.into());
            self.wait_for_room(cost).await;
            self.reserved = cost;
        }
        self.outbox.uncork();
        more
    }

    /// Has the memory that a command takes; answers how much.
    async fn pay(&mut self, command: &Command) -> u64 {
        let cost = match command {
            Command::Write { .. } if self.reserved > 0 => {
                return std::mem::take(&mut self.reserved);
            }
            Command::Write { data, .. } => cost(data.len() as u64),
            Command::Read { length, .. } => cost((*length).into()),
            Command::BlockStatus { .. } => cost(STATUS_COST),
            _ => REQUEST_COST,
        };
        self.wait_for_room(cost).await;
        cost
    }

    /// Takes `cost` of the budgets once there is so much.
    async fn wait_for_room(&mut self, cost: u64) {
        if self.has_room(cost) && self.budget.try_take(cost) {
            return;
        }
        self.outbox.uncork();
        while !self.has_room(cost) {
            self.outbox.progress().await;
        }
        self.budget.take(cost).await;
        self.outbox.cork();
    }

    fn has_room(&self, cost: u64) -> bool {
        let in_use = self.spent - self.outbox.released();
        let in_flight = self.submitted - self.outbox.answered();
        (in_use == 0 || in_use + cost <= BUDGET) && in_flight < MOST_REQUESTS
    }

    fn submit(&mut self, export: &impl Export, cookie: u64, command: Command, cost: u64) {
        self.submitted += 1;
        self.spent += cost;
        let (replies, outbox) = (self.replies, self.outbox.clone());
        let answered = Answered::by(&command);
        let (metrics, timer) = (self.metrics.clone(), Metrics::begin(&command));
        let answer = move |result: Result<Bytes, Failure>| {
            metrics.end(timer, result.is_ok());
            let reply = match (result, answered) {
                (Ok(data), Answered::Data { offset }) => replies.data(cookie, offset, data),
                (Ok(descriptors), Answered::Status) => replies.status(cookie, descriptors),
                (Ok(_), Answered::Done) => replies.done(cookie),
                (Err(failure), _) => replies.error(cookie, failure),
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

    /// Gives the client some time to take its last replies. A new owner waits for that (V2), so it is short.
    async fn until_taken(&self) {
        let taken = async {
            while self.outbox.released() < self.spent {
                self.outbox.progress().await;
            }
        };
        let _ = timeout(DRAIN_TIMEOUT, taken).await;
    }
}

impl Drop for Transmission {
    fn drop(&mut self) {
        self.budget.give_back(self.reserved);
    }
}

/// What a good answer to a command is made of.
#[derive(Clone, Copy)]
enum Answered {
    Data { offset: u64 },
    Status,
    Done,
}

impl Answered {
    fn by(command: &Command) -> Self {
        match command {
            Command::Read { offset, .. } => Self::Data { offset: *offset },
            Command::BlockStatus { .. } => Self::Status,
            _ => Self::Done,
        }
    }
}

/// What a request with so many bytes of payload costs.
fn cost(payload: u64) -> u64 {
    REQUEST_COST + payload.next_multiple_of(UNIT)
}
