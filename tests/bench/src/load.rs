//! The measured loop: some connections, one request in flight on each.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;

use crate::connection::{Connection, Payload, Request, Response};
use crate::report::Report;
use crate::sign::Target;
use crate::size::ByteSize;
use crate::work::{self, COPY_SOURCE, Names, Signed, Work};

/// Coprime to every usual number of objects, so that a walk by it meets every key once a round.
const STRIDE: usize = 7919;
/// A server that is down must not turn the loop into a busy one.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// One load.
#[derive(Clone)]
pub struct Load {
    /// What is done.
    pub work: Work,
    /// The size of an object.
    pub size: ByteSize,
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// When to stop.
    pub limit: Duration,
    /// How many different keys.
    pub objects: usize,
    /// Whether each of them has one turn only.
    pub once: bool,
    /// What every key begins with.
    pub prefix: String,
    /// How keys go on.
    pub names: Names,
}

struct Shared<'a> {
    target: &'a Target,
    load: &'a Load,
    address: String,
    requests: Vec<Signed>,
    body: Vec<u8>,
    started: Instant,
    turn: Cell<usize>,
    tally: RefCell<Tally>,
}

/// What the connections found.
#[derive(Default)]
pub struct Tally {
    /// Microseconds of each success.
    pub latencies: Vec<u32>,
    /// The bytes of object bodies that were moved.
    pub bytes: u64,
    /// Keys listed.
    pub keys: u64,
    /// Failures.
    pub errors: u64,
    /// The first few of them.
    pub examples: Vec<String>,
}

impl Tally {
    const EXAMPLES: usize = 5;

    fn fail(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(format!("{error:#}"));
        }
    }
}

/// Runs a load to its end on the calling thread.
///
/// # Errors
/// When it could not begin. Failed requests are counted in the report instead.
pub fn run(target: &Target, load: &Load) -> anyhow::Result<Report> {
    ensure!(
        load.objects > 0 && load.connections > 0,
        "nothing to do: no objects or no connections"
    );
    let requests = work::requests(target, load)?;
    let body = if load.work == Work::Put {
        noise(load.size.0.min(MOST_NOISE))
    } else {
        Vec::new()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let shared = Shared {
        target,
        load,
        address: target.address(),
        requests,
        body,
        started: Instant::now(),
        turn: Cell::new(0),
        tally: RefCell::default(),
    };
    runtime.block_on(join_all(
        (0..load.connections).map(|_| work_until_done(&shared)),
    ));
    Ok(Report::new(
        load,
        shared.tally.take(),
        shared.started.elapsed(),
    ))
}

async fn work_until_done(shared: &Shared<'_>) {
    let mut worker = Worker {
        shared,
        connection: None,
        token: None,
    };
    while let Some(turn) = shared.next_turn() {
        if let Err(error) = worker.request(turn).await {
            worker.connection = None;
            worker.token = None;
            shared.tally.borrow_mut().fail(&error);
            tokio::time::sleep(PAUSE_AFTER_ERROR).await;
        }
    }
}

impl Shared<'_> {
    fn next_turn(&self) -> Option<usize> {
        let turn = self.turn.get();
        let exhausted = self.load.once && turn >= self.load.objects;
        if exhausted || self.started.elapsed() >= self.load.limit {
            return None;
        }
        self.turn.set(turn + 1);
        Some(turn)
    }
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    connection: Option<Connection>,
    /// Where this connection's listing goes on.
    token: Option<String>,
}

impl Worker<'_> {
    async fn request(&mut self, turn: usize) -> anyhow::Result<()> {
        let Shared { target, load, .. } = self.shared;
        let page;
        let signed = match load.work {
            Work::List | Work::Folders => {
                page = Signed {
                    target: work::page(target, load, self.token.as_deref())?,
                    source: None,
                };
                &page
            }
            Work::Get | Work::Head => {
                &self.shared.requests[turn.wrapping_mul(STRIDE) % load.objects]
            }
            Work::Put | Work::Copy | Work::Delete => &self.shared.requests[turn],
        };
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&self.shared.address).await?),
        };
        let body = match load.work {
            Work::Put => Some(Payload {
                bytes: &self.shared.body,
                length: load.size.0,
            }),
            Work::Copy => Some(Payload {
                bytes: &[],
                length: 0,
            }),
            _ => None,
        };
        let request = Request {
            method: load.work.method(),
            target: &signed.target,
            authority: &target.authority,
            header: signed.source.as_deref().map(|source| (COPY_SOURCE, source)),
            body,
            keep: load.work.lists() || load.work == Work::Copy,
        };
        let started = Instant::now();
        let response = connection.exchange(&request).await?;
        let micros = started.elapsed().as_micros().try_into().unwrap_or(u32::MAX);
        self.account(&response)?;
        self.shared.tally.borrow_mut().latencies.push(micros);
        Ok(())
    }

    fn account(&mut self, response: &Response) -> anyhow::Result<()> {
        let load = self.shared.load;
        if response.status != load.work.success() {
            let body = String::from_utf8_lossy(&response.body);
            let start: String = body.chars().take(300).collect();
            bail!("{} answered {}: {start}", load.work, response.status);
        }
        let mut tally = self.shared.tally.borrow_mut();
        match load.work {
            Work::Put => tally.bytes += load.size.0,
            Work::Get => {
                let length = response.length;
                ensure!(
                    length == load.size.0,
                    "GET answered {length} bytes, not {}",
                    load.size.0
                );
                tally.bytes += length;
            }
            Work::List | Work::Folders => {
                let page = work::read_page(&response.body).context("LIST")?;
                // The last page may be empty, the first may not.
                let empty = page.keys == 0 && self.token.is_none();
                ensure!(!empty, "LIST answered no key under {:?}", load.prefix);
                tally.keys += page.keys;
                self.token = page.next;
            }
            // A copy that fails late says so in the body of a success.
            Work::Copy => {
                let text = String::from_utf8_lossy(&response.body);
                ensure!(!text.contains("<Error>"), "COPY answered {text}");
            }
            Work::Head | Work::Delete => {}
        }
        Ok(())
    }
}

/// A longer body is the same bytes again.
const MOST_NOISE: u64 = 64 << 20;

/// Bytes that no server can compress: a xorshift sequence.
fn noise(length: u64) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while (bytes.len() as u64) < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}
