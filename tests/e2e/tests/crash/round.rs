//! One round: changes on every connection, the crash while some are in flight, and what is left.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::http::{Request, exchange, percent_encode};
use hayrack_e2e::s3::S3;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::model::Keys;
use crate::writer::{Progress, write_until_told};

const CONNECTIONS: u64 = 8;
/// Acknowledged changes that a round has before its crash.
const LEAST_CHANGES: u64 = 100;
/// How soon the service must be back on the slowest of machines; what it took is printed.
const BACK_WITHIN: Duration = Duration::from_mins(1);

/// A bucket under test.
pub struct Load {
    bucket: String,
    keys: Vec<Keys>,
}

impl Load {
    /// Nothing yet in a bucket, given as its path, but an object `alive`.
    pub fn new(s3: &S3, bucket: &str) -> Self {
        assert_eq!(s3.put(&format!("{bucket}/alive"), "alive").status, 200);
        Self {
            bucket: bucket.to_owned(),
            keys: (0..CONNECTIONS).map(|id| Keys::new(id, bucket)).collect(),
        }
    }

    /// Changes keys until `crash` was called with some changes in flight, and returns how many were
    /// acknowledged.
    pub fn run(&mut self, s3: &S3, random: &mut StdRng, crash: impl FnOnce()) -> u64 {
        let progress = Progress::default();
        let seeds: Vec<u64> = self.keys.iter().map(|_| random.random()).collect();
        thread::scope(|scope| {
            for (keys, seed) in self.keys.iter_mut().zip(seeds) {
                let progress = &progress;
                scope.spawn(move || write_until_told(s3, keys, seed, progress));
                // The guest's network takes one connection at a time, and resets others.
                thread::sleep(Duration::from_millis(50));
            }
            wait_for_changes(&progress);
            thread::sleep(Duration::from_millis(random.random_range(0..300)));
            wait_for_flight(&progress);
            progress.killing.store(true, SeqCst);
            crash();
            progress.stop.store(true, SeqCst);
        });
        progress.acknowledged.load(SeqCst)
    }

    /// Compares everything with the server.
    pub fn verify(&mut self, s3: &S3) {
        for keys in &mut self.keys {
            keys.verify(s3);
        }
        self.assert_listed(s3);
    }

    /// Waits for the first good answer, and returns what it took since `from`.
    pub fn time_until_back(&self, s3: &S3, from: Instant, log: impl Fn() -> String) -> Duration {
        let request = s3.sign(Request::new("GET", format!("{}/alive", self.bucket)));
        loop {
            let answer = exchange(s3.address, &request);
            let alive = answer
                .as_ref()
                .is_ok_and(|answer| answer.status == 200 && answer.body == b"alive");
            if alive {
                return from.elapsed();
            }
            assert!(
                from.elapsed() < BACK_WITHIN,
                "not back: {answer:?}\n{}",
                log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The listing must hold exactly the keys that are there.
    fn assert_listed(&self, s3: &S3) {
        let mut listed = Vec::new();
        let mut after = String::new();
        loop {
            let page = s3
                .get(&format!("{}?list-type=2&start-after={after}", self.bucket))
                .text();
            let keys = page.split("<Key>").skip(1);
            listed.extend(keys.filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())));
            if !page.contains("<IsTruncated>true</IsTruncated>") {
                break;
            }
            let last: &String = listed
                .last()
                .expect("a page that is not the last holds a key");
            after = percent_encode(last.as_bytes());
        }
        let mut present: Vec<String> = self.keys.iter().flat_map(Keys::present).collect();
        present.push("alive".to_owned());
        present.sort();
        assert_eq!(listed, present, "the listing differs from what is there");
    }
}

fn wait_for_changes(progress: &Progress) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while progress.acknowledged.load(SeqCst) < LEAST_CHANGES {
        assert!(Instant::now() < deadline, "too few changes: {progress:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for_flight(progress: &Progress) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while progress.in_flight.load(SeqCst) == 0 {
        assert!(Instant::now() < deadline, "nothing is in flight");
        std::hint::spin_loop();
    }
}
