//! What one connection knows of its own keys.

use std::collections::BTreeMap;

use hayrack_e2e::http::{Connection, Request};
use hayrack_e2e::random::content;
use hayrack_e2e::s3::S3;

/// The content of an object: none if it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no such object.
    Absent,
    /// It holds [`content`] of this tag and length.
    Holds {
        /// The content's tag.
        tag: u64,
        /// Its length in bytes.
        length: usize,
    },
}

/// The keys of one connection; nobody else changes them.
#[derive(Debug)]
pub struct Keys {
    id: u64,
    bucket: String,
    /// What each key may hold; two states while a change is in doubt.
    states: BTreeMap<String, Vec<State>>,
    tags: u64,
}

impl Keys {
    /// None yet.
    pub fn new(id: u64, bucket: &str) -> Self {
        Self {
            id,
            bucket: bucket.to_owned(),
            states: BTreeMap::new(),
            tags: 0,
        }
    }

    /// The key of this number.
    pub fn name(&self, number: u64) -> String {
        format!("connection-{}/key-{number:05}", self.id)
    }

    /// The path of a key.
    pub fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket)
    }

    /// A content that nothing held before.
    pub fn fresh(&mut self, length: usize) -> State {
        self.tags += 1;
        State::Holds {
            tag: self.id << 48 | self.tags,
            length,
        }
    }

    /// Notes that a change to a key is in flight.
    pub fn begin(&mut self, key: &str, state: State) {
        self.states
            .entry(key.to_owned())
            .or_insert_with(|| vec![State::Absent])
            .push(state);
    }

    /// Notes that the change in flight was acknowledged.
    pub fn acknowledge(&mut self, key: &str) {
        let states = self.states.get_mut(key).expect("a change was begun");
        states.drain(..states.len() - 1);
    }

    /// Compares every key with the server and settles what was in doubt.
    pub fn verify(&mut self, s3: &S3) {
        let mut connection = Connection::open(s3.address).expect("the server listens");
        for (key, states) in &mut self.states {
            let request = s3.sign(Request::new("GET", format!("{}/{key}", self.bucket)));
            let answer = connection.exchange(&request).expect("the server answers");
            let found = states.iter().copied().find(|state| match *state {
                State::Absent => answer.status == 404 && answer.code() == "NoSuchKey",
                State::Holds { tag, length } => {
                    answer.status == 200 && answer.body == content(tag, length)
                }
            });
            let Some(found) = found else {
                panic!(
                    "{key}: may be {states:?}, but the server answers {} with {} bytes",
                    answer.status,
                    answer.body.len()
                );
            };
            *states = vec![found];
        }
    }

    /// The keys that are there, after [`Keys::verify`].
    pub fn present(&self) -> impl Iterator<Item = String> {
        self.states
            .iter()
            .filter(|(_, states)| states[..] != [State::Absent])
            .map(|(key, _)| key.clone())
    }
}
