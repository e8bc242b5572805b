//! What one connection knows of its own keys.

use std::collections::BTreeMap;

use hayrack_e2e::http::{Answer, Connection, Request, element, exchange};
use hayrack_e2e::random::content;
use hayrack_e2e::s3::S3;

/// All that a client can see of an object. The numbers are written as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes are [`content`] of this tag.
    pub tag: u64,
    /// In bytes.
    pub length: usize,
    /// `x-amz-meta-note`.
    pub note: Option<u64>,
    /// The value of the object tag `label`.
    pub label: Option<u64>,
    /// Whether everyone may read it.
    pub public: bool,
}

/// What a key holds: none if there is no such object.
pub type State = Option<Object>;

impl Object {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        content(self.tag, self.length)
    }
}

/// The keys of one connection; nobody else changes them.
#[derive(Debug)]
pub struct Keys {
    id: u64,
    bucket: String,
    /// What each key may hold; several states while a change is in doubt.
    states: BTreeMap<String, Vec<State>>,
    numbers: u64,
}

impl Keys {
    /// None yet.
    pub fn new(id: u64, bucket: &str) -> Self {
        Self {
            id,
            bucket: bucket.to_owned(),
            states: BTreeMap::new(),
            numbers: 0,
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

    /// A number that nothing held before.
    pub fn fresh(&mut self) -> u64 {
        self.numbers += 1;
        self.id << 48 | self.numbers
    }

    /// An object of bytes that nothing held before, with nothing else set.
    pub fn object(&mut self, length: usize) -> Object {
        Object {
            tag: self.fresh(),
            length,
            note: None,
            label: None,
            public: false,
        }
    }

    /// What a key holds; nothing of it is in doubt.
    pub fn state(&self, key: &str) -> State {
        self.states.get(key).and_then(|states| match &states[..] {
            [state] => state.clone(),
            _ => unreachable!("a connection ends with its first change in doubt"),
        })
    }

    /// Notes that a change to a key is in flight.
    pub fn begin(&mut self, key: &str, state: State) {
        self.states
            .entry(key.to_owned())
            .or_insert_with(|| vec![None])
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
            let path = format!("{}/{key}", self.bucket);
            let found = read(s3, &mut connection, &path, states);
            assert!(
                states.contains(&found),
                "{key}: may be {states:?}, but the server has {found:?}"
            );
            *states = vec![found];
        }
    }

    /// The keys that are there, after [`Keys::verify`].
    pub fn present(&self) -> impl Iterator<Item = String> {
        self.states
            .iter()
            .filter(|(_, states)| states[..] != [None])
            .map(|(key, _)| key.clone())
    }
}

/// What the server has at a path, which must be the bytes of one of the states.
fn read(s3: &S3, connection: &mut Connection, path: &str, states: &[State]) -> State {
    let mut get = |target: String| {
        let request = s3.sign(Request::new("GET", target));
        connection.exchange(&request).expect("the server answers")
    };
    let answer = get(path.to_owned());
    if answer.status == 404 && answer.code() == "NoSuchKey" {
        return None;
    }
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let possible = states.iter().flatten();
    let held = possible
        .clone()
        .find(|object| object.length == answer.body.len() && object.bytes() == answer.body);
    let Some(held) = held else {
        let length = answer.body.len();
        panic!("{path}: may be {states:?}, but the server has {length} other bytes");
    };
    let tags = get(format!("{path}?tagging"));
    assert_eq!(tags.status, 200, "{path}: {}", tags.text());
    Some(Object {
        note: number(answer.header("x-amz-meta-note")),
        label: number(element(&tags.text(), "Value").as_deref()),
        public: is_public(&exchange(s3.address, &anonymous(s3, path)).expect("the server answers")),
        ..held.clone()
    })
}

fn number(text: Option<&str>) -> Option<u64> {
    text.map(|text| text.parse().expect("the numbers that were sent"))
}

fn anonymous(s3: &S3, path: &str) -> Request {
    Request::new("GET", path)
        .header("host", s3.host.clone())
        .header("range", "bytes=0-0")
}

fn is_public(answer: &Answer) -> bool {
    match answer.status {
        403 => false,
        // An empty object has no first byte.
        200 | 206 | 416 => true,
        status => panic!("an anonymous GET answers {status}"),
    }
}
