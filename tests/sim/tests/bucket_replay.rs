//! A group that was on its way when its bucket's server was killed: what a later opening found in it
//! stays, whenever the power is cut (B4).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use hayrack_sim::bucket::create;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::rules::{Rule, break_on_this_thread};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key};

const SEEDS: u64 = 60;

/// Turns by which the second put comes later, at most.
const DELAYS: u64 = 6;

/// More turns than a put takes.
const TURNS: u32 = 60;

async fn open(device: &Arc<SimDevice>, epoch: u64) -> Bucket {
    // Nothing of an earlier server lands from here on.
    device.attach();
    create(device, epoch).await.unwrap()
}

/// Puts in groups of their own, the second behind the first.
const KEYS: [&str; 2] = ["first", "second"];

async fn put(bucket: &Bucket, name: &str) {
    let body = Body::Small(vec![7; 3_000].into());
    let (attributes, condition) = (Attributes::default(), Condition::default());
    let stored = bucket.put(Key::new(name).unwrap(), attributes, body, condition);
    drop(stored.await.unwrap());
}

async fn found(bucket: &Bucket) -> [bool; 2] {
    let mut found = [false; 2];
    for (found, name) in found.iter_mut().zip(KEYS) {
        let object = bucket.find(&Key::new(name).unwrap()).await;
        *found = object.unwrap().is_some();
    }
    found
}

/// Kills the server so many turns after two puts began, opens the bucket, and cuts the power. Answers
/// which objects were there before the cut, and after it.
async fn killed_in_puts(seed: u64, turns: u32) -> [[bool; 2]; 2] {
    let weather = Weather {
        lag: 10,
        ..Weather::default()
    };
    let device = SimDevice::new(Image::default(), seed, weather);
    let killed = open(&device, 1).await;
    put(&killed, "before").await;
    let puts = async {
        // The committer takes the first before the second comes, or not.
        let later = async {
            for _ in 0..seed % DELAYS {
                tokio::task::yield_now().await;
            }
            put(&killed, KEYS[1]).await;
        };
        tokio::join!(put(&killed, KEYS[0]), later)
    };
    let turns = async {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = puts => {}
        () = turns => {}
    }
    let second = open(&device, 2).await;
    let before = found(&second).await;
    let device = SimDevice::new(device.cut_power(), seed, Weather::default());
    let third = open(&device, 3).await;
    [before, found(&third).await]
}

/// The first seed and turn at which an object that was served is gone.
fn first_loss() -> Option<(u64, u32)> {
    // A turn is one poll of one task.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .event_interval(1)
        .build()
        .unwrap();
    (0..SEEDS)
        .flat_map(|seed| (0..TURNS).map(move |turns| (seed, turns)))
        .find(|(seed, turns)| {
            let [before, after] = runtime.block_on(killed_in_puts(*seed, *turns));
            before
                .iter()
                .zip(after)
                .any(|(before, after)| *before && !after)
        })
}

#[test]
fn what_a_replay_found_survives_the_power_cut() {
    assert_eq!(first_loss(), None);
}

#[test]
fn a_group_that_is_not_written_again_is_noticed() {
    for rule in [Rule::ReplayRewrites, Rule::ReplayRewritesAll] {
        break_on_this_thread(Some(rule));
        let lost = first_loss();
        break_on_this_thread(None);
        assert!(lost.is_some(), "{rule:?}");
    }
}
