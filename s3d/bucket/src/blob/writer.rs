//! Bodies on their way in: small ones stay in memory, larger ones become spans (B1).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use volumed_client::{DeviceError, Durability, Session};

use super::durable::{make_durable, refusal};
use super::transfers::Room;
use crate::CHECKED_RUN;
use crate::errors::ChangeError;
use crate::format::crc::crc32c_of_runs;
use crate::format::layout::{BLOCK, MAX_SPAN, SMALL_BODY};
use crate::requests::{Body, StoredSpan};
use crate::rules::{Rule, kept};
use crate::shared::Shared;
use crate::space::allocator::Claim;

/// Runs of one body that may be in flight.
const IN_FLIGHT: usize = 4;

/// Runs of all bodies together that may be in flight: more than keep a disk busy would only take
/// memory, here and in the volume daemon.
pub const IN_FLIGHT_TOGETHER: usize = 12;

/// Pieces of a run that are worth writing as they are; more are joined first.
const MAX_PIECES: usize = 256;

/// Takes the bytes of a put or a part.
///
/// A body of one run is written durably. The runs of a longer one are only answered, and made
/// durable together at the end: that keeps the disk busy while the body comes in.
///
/// Every byte handed in is durable once [`BodyWriter::finish`] answers, or is still in memory and
/// small enough to travel in the log. Dropping the writer leaves nothing that anything names.
pub struct BodyWriter {
    shared: Arc<Shared>,
    /// How much more is expected, when that is known.
    expected: Option<u64>,
    run: Vec<Bytes>,
    run_length: usize,
    /// For the run, once it is longer than a small body.
    room: Option<Room>,
    spans: Vec<OpenSpan>,
    /// Taken before the first run was written that is not durable by itself.
    session: Option<Session>,
    writes: FuturesUnordered<JoinHandle<Result<(), DeviceError>>>,
}

struct OpenSpan {
    claim: Arc<Claim>,
    room: u64,
    length: u64,
    sums: Vec<u32>,
}

impl BodyWriter {
    pub(crate) fn new(shared: Arc<Shared>, expected: Option<u64>) -> Self {
        Self {
            shared,
            expected,
            run: Vec::new(),
            run_length: 0,
            room: None,
            spans: Vec::new(),
            session: None,
            writes: FuturesUnordered::new(),
        }
    }

    /// Takes the next bytes; waits while too much is in flight.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), ChangeError> {
        while self.run_length + bytes.len() > SMALL_BODY {
            let transfers = &self.shared.transfers;
            let length = self.room.get_or_insert_with(|| transfers.room()).bytes();
            if self.run_length + bytes.len() < length {
                break;
            }
            self.push(bytes.split_to(length - self.run_length));
            self.write_run(false).await?;
        }
        self.push(bytes);
        Ok(())
    }

    fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.run_length += bytes.len();
        self.run.push(bytes);
        if self.run.len() > MAX_PIECES {
            self.run = vec![join(&self.run, self.run_length)];
        }
    }

    /// Whether the bytes so far are few enough to travel in the log.
    pub fn is_small(&self) -> bool {
        self.spans.is_empty() && self.run_length <= SMALL_BODY
    }

    /// Waits until every byte is where a record may name it.
    pub async fn finish(mut self) -> Result<Body, ChangeError> {
        if self.is_small() {
            let body = match self.run.len() {
                0 => Bytes::new(),
                1 => self.run.remove(0),
                _ => join(&self.run, self.run_length),
            };
            return Ok(Body::Small(body));
        }
        if self.run_length > 0 {
            self.write_run(true).await?;
        }
        while !self.writes.is_empty() {
            self.wait_for_a_write().await?;
        }
        let spans = self.spans.into_iter().map(|span| StoredSpan {
            claim: span.claim,
            length: span.length,
            sums: span.sums,
        });
        let spans: Vec<_> = spans.collect();
        if let Some(session) = self.session
            && kept(Rule::BodyBeforeRecord)
        {
            make_durable(&*self.shared.data, session, &spans).await?;
        }
        Ok(Body::Stored(spans))
    }

    async fn wait_for_a_write(&mut self) -> Result<(), ChangeError> {
        match self.writes.next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(refusal(error)),
            Some(Err(_)) => Err(refusal(DeviceError::Io)),
        }
    }

    /// Sends off the run that was collected. Only the last one of a body is no whole number of
    /// checked runs. `last`: nothing follows it.
    async fn write_run(&mut self, last: bool) -> Result<(), ChangeError> {
        let durability = self.durability_of_run(last);
        let mut run = std::mem::take(&mut self.run);
        let room = self.room.take();
        let length = std::mem::take(&mut self.run_length) as u64;
        let sums = crc32c_of_runs(&run, CHECKED_RUN as usize);
        let (address, claim) = self.place(length, sums).await.map_err(refusal)?;
        let odd = (length % BLOCK) as usize;
        if odd > 0 {
            // Whole blocks spare the volume a read; what is behind the span is nobody's.
            run.push(Bytes::from_static(&ZEROES[odd..]));
        }
        let device = self.shared.data.clone();
        if durability == Durability::Volatile {
            self.session.get_or_insert_with(|| device.session());
        }
        let turn = self.shared.runs.clone().acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        // A task of its own: it goes on while the body comes in, and when the writer is dropped the
        // space is not given up before the write has ended.
        self.writes.push(tokio::spawn(async move {
            let written = device.write(address, &run, durability).await;
            drop((claim, turn, run, room));
            written
        }));
        while self.writes.len() > IN_FLIGHT {
            self.wait_for_a_write().await?;
        }
        Ok(())
    }

    /// Durable for a run that is the whole body, as far as that is known.
    fn durability_of_run(&self, last: bool) -> Durability {
        let whole = last || self.expected == Some(self.run_length as u64);
        if whole && self.spans.is_empty() && kept(Rule::BodyBeforeRecord) {
            Durability::Durable
        } else {
            Durability::Volatile
        }
    }

    async fn place(
        &mut self,
        length: u64,
        sums: Vec<u32>,
    ) -> Result<(u64, Arc<Claim>), DeviceError> {
        if self.spans.last().is_none_or(|span| span.room < length) {
            let room = self.next_span_length(length);
            let claim = Arc::new(self.shared.space.claim(room).await?);
            self.spans.push(OpenSpan {
                claim,
                room,
                length: 0,
                sums: Vec::new(),
            });
        }
        if let Some(expected) = &mut self.expected {
            *expected = expected.saturating_sub(length);
        }
        let span = self
            .spans
            .last_mut()
            .expect("one was just made if there was none");
        let address = span.claim.address() + span.length;
        span.room -= length;
        span.length += length;
        span.sums.extend(sums);
        Ok((address, span.claim.clone()))
    }

    /// As long as the rest of the body when that is known, else twice the span before; addresses
    /// that are never written cost nothing.
    fn next_span_length(&self, least: u64) -> u64 {
        let guess = match (self.expected, self.spans.last()) {
            (Some(expected), _) if expected > 0 => expected,
            (_, Some(span)) => span.length * 2,
            (_, None) => least,
        };
        guess.clamp(least, MAX_SPAN)
    }
}

static ZEROES: [u8; BLOCK as usize] = [0; BLOCK as usize];

fn join(pieces: &[Bytes], length: usize) -> Bytes {
    let mut joined = BytesMut::with_capacity(length);
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    joined.freeze()
}
