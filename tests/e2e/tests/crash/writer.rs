//! One connection that changes its keys until it is told to stop.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use hayrack_e2e::http::{Answer, Connection, Request};
use hayrack_e2e::s3::S3;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::changes::Change;
use crate::model::Keys;

/// Few enough that keys are overwritten and deleted often.
const KEYS: u64 = 200;

/// How all connections are doing.
#[derive(Debug, Default)]
pub struct Progress {
    /// Changes that were acknowledged.
    pub acknowledged: AtomicU64,
    /// Requests that were begun and not answered.
    pub in_flight: AtomicU64,
    /// Set just before the kill: from then on requests may fail.
    pub killing: AtomicBool,
    /// Set after the kill.
    pub stop: AtomicBool,
}

/// A connection, opened when first used.
pub struct Sender<'a> {
    s3: &'a S3,
    progress: &'a Progress,
    connection: Option<Connection>,
}

impl Sender<'_> {
    /// Sends one request; none without a success.
    pub fn send(&mut self, request: Request) -> Option<Answer> {
        let request = self.s3.sign(request);
        self.progress.in_flight.fetch_add(1, SeqCst);
        let answer = self.exchange(&request);
        self.progress.in_flight.fetch_sub(1, SeqCst);
        // A copy or a completion may fail after its status was sent.
        let succeeds = |answer: &Answer| {
            (200..300).contains(&answer.status) && !answer.text().contains("<Error>")
        };
        match answer {
            Ok(answer) if succeeds(&answer) => return Some(answer),
            _ if self.progress.killing.load(SeqCst) => {}
            Ok(answer) => eprintln!("refused: {} {}", answer.status, answer.text()),
            Err(error) => eprintln!("not answered: {error:#}"),
        }
        None
    }

    fn exchange(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.s3.address)?),
        };
        connection.exchange(request)
    }
}

/// Changes keys. A change that is not acknowledged ends it: its key is then in doubt.
pub fn write_until_told(s3: &S3, keys: &mut Keys, seed: u64, progress: &Progress) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sender = Sender {
        s3,
        progress,
        connection: None,
    };
    while !progress.stop.load(SeqCst) {
        let key = keys.name(random.random_range(0..KEYS));
        let from = keys.name(random.random_range(0..KEYS));
        let Some(change) = Change::choose(&mut random, keys, &key, &from) else {
            continue;
        };
        keys.begin(&key, change.result.clone());
        if !change.carry_out(&mut sender, &keys.path(&key)) {
            assert!(
                progress.killing.load(SeqCst),
                "{:?} of {key} failed before any kill",
                change.kind
            );
            return;
        }
        keys.acknowledge(&key);
        progress.acknowledged.fetch_add(1, SeqCst);
    }
}
