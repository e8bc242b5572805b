//! One connection that changes its keys until it is told to stop.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use hayrack_e2e::http::{Answer, Connection, Request, element};
use hayrack_e2e::random::content;
use hayrack_e2e::s3::S3;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::model::{Keys, State};

/// Few enough that keys are overwritten and deleted often.
const KEYS: u64 = 200;
/// The least that S3 allows for a part that is not the last.
const PART: usize = 5 << 20;

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

struct Writer<'a> {
    s3: &'a S3,
    progress: &'a Progress,
    connection: Option<Connection>,
}

/// Changes keys. A change that is not acknowledged ends it: its key is then in doubt.
pub fn write_until_told(s3: &S3, keys: &mut Keys, seed: u64, progress: &Progress) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut writer = Writer {
        s3,
        progress,
        connection: None,
    };
    while !progress.stop.load(SeqCst) {
        let key = keys.name(random.random_range(0..KEYS));
        let path = keys.path(&key);
        let acknowledged = match random.random_range(0..100) {
            0 => {
                let state = keys.fresh(PART + random.random_range(1..100_000));
                keys.begin(&key, state);
                writer.multipart(&path, state)
            }
            1..=25 => {
                keys.begin(&key, State::Absent);
                writer.change(Request::new("DELETE", path)).is_some()
            }
            kind => {
                let longest = if kind < 35 { 300_000 } else { 9_000 };
                let state = keys.fresh(random.random_range(0..longest));
                keys.begin(&key, state);
                writer
                    .change(Request::new("PUT", path).body(bytes(state)))
                    .is_some()
            }
        };
        if !acknowledged {
            assert!(
                progress.killing.load(SeqCst),
                "a change of {key} failed before any kill"
            );
            return;
        }
        keys.acknowledge(&key);
        progress.acknowledged.fetch_add(1, SeqCst);
    }
}

fn bytes(state: State) -> Vec<u8> {
    match state {
        State::Absent => Vec::new(),
        State::Holds { tag, length } => content(tag, length),
    }
}

impl Writer<'_> {
    /// Sends one request; none without a success.
    fn change(&mut self, request: Request) -> Option<Answer> {
        let request = self.s3.sign(request);
        self.progress.in_flight.fetch_add(1, SeqCst);
        let answer = self.exchange(&request);
        self.progress.in_flight.fetch_sub(1, SeqCst);
        answer.filter(|answer| (200..300).contains(&answer.status))
    }

    fn exchange(&mut self, request: &Request) -> Option<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.s3.address).ok()?),
        };
        connection.exchange(request).ok()
    }

    /// Uploads in two parts; true once the completion is acknowledged.
    fn multipart(&mut self, path: &str, state: State) -> bool {
        self.parts(path, &bytes(state))
            .is_some_and(|answer| !answer.text().contains("<Error>"))
    }

    fn parts(&mut self, path: &str, body: &[u8]) -> Option<Answer> {
        let created = self.change(Request::new("POST", format!("{path}?uploads=")))?;
        let upload = element(&created.text(), "UploadId").expect("an upload has an id");
        let mut completion = String::from("<CompleteMultipartUpload>");
        for (index, part) in body.chunks(PART).enumerate() {
            let number = index + 1;
            let target = format!("{path}?partNumber={number}&uploadId={upload}");
            let stored = self.change(Request::new("PUT", target).body(part))?;
            let etag = stored
                .header("etag")
                .expect("a part has an ETag")
                .to_owned();
            completion += &[
                "<Part><PartNumber>",
                &number.to_string(),
                "</PartNumber><ETag>",
                &etag,
            ]
            .concat();
            completion += "</ETag></Part>";
        }
        completion += "</CompleteMultipartUpload>";
        self.change(Request::new("POST", format!("{path}?uploadId={upload}")).body(completion))
    }
}
