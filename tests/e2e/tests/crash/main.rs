//! kill -9 of either daemon or of both at random moments, under puts, multipart uploads and deletes.
//!
//! Every acknowledged change must be there and whole afterwards. A change that was in flight may be
//! there whole or not at all, and it must then stay so. `HAYRACK_SEED` repeats a run's choices,
//! `HAYRACK_CRASH_ROUNDS` sets how many rounds there are.

mod model;
mod writer;

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::http::{Request, exchange, percent_encode};
use hayrack_e2e::rack::{Rack, Site, kill_process};
use hayrack_e2e::random::seed;
use hayrack_e2e::s3::S3;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use model::Keys;
use writer::{Progress, write_until_told};

const CONNECTIONS: u64 = 8;
/// Acknowledged changes that a round has before its kill.
const LEAST_CHANGES: u64 = 100;
/// How soon the service must be back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn rounds() -> u32 {
    std::env::var("HAYRACK_CRASH_ROUNDS").map_or(10, |text| text.parse().expect("a number"))
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_deleted_comes_back() {
    let mut random = StdRng::seed_from_u64(seed());
    let site = Site::new();
    let mut rack = site.start();
    let (bucket, s3) = (rack.bucket(), rack.s3());
    assert_eq!(s3.put(&format!("{bucket}/alive"), "alive").status, 200);
    let mut keys: Vec<Keys> = (0..CONNECTIONS).map(|id| Keys::new(id, &bucket)).collect();
    for round in 0..rounds() {
        let progress = Progress::default();
        let seeds: Vec<u64> = keys.iter().map(|_| random.random()).collect();
        let victims: &[&str] =
            [&["volumed"][..], &["s3d"], &["volumed", "s3d"]][round as usize % 3];
        let mut killed = Instant::now();
        thread::scope(|scope| {
            for (keys, seed) in keys.iter_mut().zip(seeds) {
                let (s3, progress) = (&s3, &progress);
                scope.spawn(move || write_until_told(s3, keys, seed, progress));
            }
            wait_for_changes(&progress);
            thread::sleep(Duration::from_millis(random.random_range(0..300)));
            let pids: Vec<u32> = victims.iter().map(|victim| rack.pid(victim)).collect();
            wait_for_flight(&progress);
            progress.killing.store(true, SeqCst);
            killed = Instant::now();
            for pid in pids {
                kill_process(pid, Signal::SIGKILL);
            }
            progress.stop.store(true, SeqCst);
        });
        if victims.len() == 2 {
            assert!(!rack.started.wait().success());
            // What the two daemons need is what counts, not how soon the test starts them.
            killed = Instant::now();
            drop(rack);
            rack = site.start();
        }
        let back = time_until_back(&rack, &s3, &bucket, killed);
        println!(
            "round {round}: killed {} after {} changes; back in {} ms",
            victims.join(" and "),
            progress.acknowledged.load(SeqCst),
            back.as_millis()
        );
        for keys in &mut keys {
            keys.verify(&s3);
        }
        assert_listed(&s3, &bucket, &keys);
    }
    assert!(rack.stop().success());
}

fn wait_for_changes(progress: &Progress) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while progress.acknowledged.load(SeqCst) < LEAST_CHANGES {
        assert!(Instant::now() < deadline, "too few changes: {progress:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for_flight(progress: &Progress) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while progress.in_flight.load(SeqCst) == 0 {
        assert!(Instant::now() < deadline, "nothing is in flight");
        std::hint::spin_loop();
    }
}

fn time_until_back(rack: &Rack<'_>, s3: &S3, bucket: &str, killed: Instant) -> Duration {
    let request = s3.sign(Request::new("GET", format!("{bucket}/alive")));
    let deadline = killed + Duration::from_secs(30);
    loop {
        let answer = exchange(s3.address, &request);
        if answer
            .as_ref()
            .is_ok_and(|answer| answer.status == 200 && answer.body == b"alive")
        {
            let back = killed.elapsed();
            assert!(
                back < BACK_WITHIN,
                "back after {back:?}\n{}",
                rack.site.log()
            );
            return back;
        }
        let log = || rack.site.log();
        assert!(Instant::now() < deadline, "not back: {answer:?}\n{}", log());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The listing must hold exactly the keys that are there.
fn assert_listed(s3: &S3, bucket: &str, keys: &[Keys]) {
    let mut listed = Vec::new();
    let mut after = String::new();
    loop {
        let page = s3
            .get(&format!("{bucket}?list-type=2&start-after={after}"))
            .text();
        listed.extend(
            page.split("<Key>")
                .skip(1)
                .filter_map(|rest| rest.split_once("</Key>").map(|(key, _)| key.to_owned())),
        );
        if !page.contains("<IsTruncated>true</IsTruncated>") {
            break;
        }
        let last: &String = listed
            .last()
            .expect("a page that is not the last holds a key");
        after = percent_encode(last.as_bytes());
    }
    let mut present: Vec<String> = keys.iter().flat_map(Keys::present).collect();
    present.push("alive".to_owned());
    present.sort();
    assert_eq!(listed, present, "the listing differs from what is there");
}
