//! volumed is killed and returns under load: requests wait and go on (B5). The clients repeat
//! nothing: no request may fail, and nothing acknowledged may be missing.
//!
//! `HAYRACK_SEED` repeats a run's choices, `HAYRACK_CRASH_ROUNDS` sets how many kills there are.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::Duration;

use hayrack_e2e::daemons::Daemons;
use hayrack_e2e::http::{Answer, Connection, Request};
use hayrack_e2e::random::{content, seed};
use hayrack_e2e::s3::S3;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const CONNECTIONS: u64 = 8;
const KEYS: u64 = 50;
/// A body of so many runs that most of its first half is written when all of that was sent.
const LARGE: usize = 48 << 20;
/// How long volumed is away.
const PAUSES: [u64; 3] = [0, 3_000, 8_000];

fn rounds() -> usize {
    std::env::var("HAYRACK_CRASH_ROUNDS").map_or(3, |text| text.parse().expect("a number"))
}

/// What one client has put and not deleted: by key, the content's tag and length.
type Held = BTreeMap<String, (u64, usize)>;

#[test]
fn no_request_fails_while_volumed_is_restarted() {
    let seed = seed();
    let (mut daemons, s3) = start(&["first", "second"]);
    let (stop, changes) = (AtomicBool::new(false), AtomicU64::new(0));
    let held: Vec<Held> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let (s3, stop, changes) = (&s3, &stop, &changes);
                let random = StdRng::seed_from_u64(seed ^ client);
                scope.spawn(move || work(s3, client, random, stop, changes))
            })
            .collect();
        for round in 0..rounds() {
            let before = changes.load(SeqCst);
            let pause = Duration::from_millis(PAUSES[round % PAUSES.len()]);
            daemons.restart_volumed(pause);
            // Until every client has gone on: each has at most one request that waited.
            while changes.load(SeqCst) < before + 20 * CONNECTIONS
                && !clients.iter().any(thread::ScopedJoinHandle::is_finished)
            {
                thread::sleep(Duration::from_millis(20));
            }
        }
        stop.store(true, SeqCst);
        clients
            .into_iter()
            .map(|client| client.join().expect("no request failed"))
            .collect()
    });
    println!("{} requests", changes.load(SeqCst));
    for (path, state) in held.iter().flatten() {
        check(&s3, path, Some(*state));
    }
}

/// The runs of a large body are durable only at its end (B1), by a flush on another connection than they
/// were written on when volumed was killed before. A kill loses none of them, and volumed knows (V9): they
/// need not be read back.
#[test]
fn volumed_is_killed_in_the_middle_of_a_large_put() {
    let (mut daemons, s3) = start(&["first"]);
    let (path, body) = ("/first/large", content(7, LARGE));
    let request = s3.sign(Request::new("PUT", path).body(body.clone()));
    let (begin, rest) = body.split_at(LARGE / 2);
    let mut connection = Connection::open(daemons.s3).expect("s3d listens");
    let mut send = |bytes: &[u8]| connection.send(bytes).expect("s3d takes the body");
    send(&request.head());
    // Most of this has been written when it is sent: s3d holds a few runs only.
    send(begin);
    daemons.restart_volumed(Duration::ZERO);
    send(rest);
    let answer = connection.answer("PUT").expect("an answer");
    assert_stored(&answer);
    assert_eq!(daemons.log().matches("a body is read back").count(), 0);
    check(&s3, path, Some((7, LARGE)));
}

fn assert_stored(answer: &Answer) {
    assert_eq!(answer.status, 200, "PUT: {}", answer.text());
}

/// Both daemons, with these buckets and a key to them.
fn start(buckets: &[&str]) -> (Daemons, S3) {
    let daemons = Daemons::start("4GiB");
    let (_, s3) = daemons.tenant(buckets);
    (daemons, s3)
}

/// One client's requests, one after the other, until it is told to stop.
fn work(s3: &S3, client: u64, mut random: StdRng, stop: &AtomicBool, requests: &AtomicU64) -> Held {
    let mut held = Held::new();
    let mut tag = client << 32;
    while !stop.load(SeqCst) {
        let bucket = ["first", "second"][random.random_range(0..2)];
        let path = format!("/{bucket}/{client}/{}", random.random_range(0..KEYS));
        match random.random_range(0..10) {
            0..5 => {
                let longest = if random.random_bool(0.2) {
                    2_000_000
                } else {
                    9_000
                };
                tag += 1;
                let length = random.random_range(0..longest);
                let answer = s3.put(&path, content(tag, length));
                assert_eq!(answer.status, 200, "PUT {path}: {}", answer.text());
                held.insert(path, (tag, length));
            }
            5..8 => check(s3, &path, held.get(&path).copied()),
            _ => {
                let answer = s3.delete(&path);
                assert_eq!(answer.status, 204, "DELETE {path}: {}", answer.text());
                held.remove(&path);
            }
        }
        requests.fetch_add(1, SeqCst);
    }
    held
}

fn check(s3: &S3, path: &str, state: Option<(u64, usize)>) {
    let answer = s3.get(path);
    match state {
        Some((tag, length)) => {
            assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
            assert!(answer.body == content(tag, length), "{path} is damaged");
        }
        None => assert_eq!(answer.status, 404, "GET {path}: {}", answer.text()),
    }
}
