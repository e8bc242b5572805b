//! A group that was on its way when its bucket's server was killed: what a later opening found in it
//! stays, whenever the power is cut (B4).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use hayrack_sim::bucket::create;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::rules::{Rule, break_on_this_thread};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key};

const SEEDS: u64 = 20;

/// More turns than a put takes.
const TURNS: u32 = 40;

async fn open(device: &Arc<SimDevice>, epoch: u64) -> Bucket {
    // Nothing of an earlier server lands from here on.
    device.attach();
    create(device, epoch).await.unwrap()
}

fn key() -> Key {
    Key::new("key").unwrap()
}

async fn is_there(bucket: &Bucket) -> bool {
    bucket.find(&key()).await.unwrap().is_some()
}

/// Kills the server so many turns after a put began, opens the bucket, and cuts the power. Answers
/// whether the object was there before the cut, and after it.
async fn killed_in_a_put(seed: u64, turns: u32) -> (bool, bool) {
    let device = SimDevice::new(Image::default(), seed, Weather::default());
    let killed = open(&device, 1).await;
    let body = Body::Small(vec![7; 3_000].into());
    let put = killed.put(key(), Attributes::default(), body, Condition::default());
    let turns = async {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        stored = put => drop(stored.unwrap()),
        () = turns => {}
    }
    let second = open(&device, 2).await;
    let before = is_there(&second).await;
    let device = SimDevice::new(device.cut_power(), seed, Weather::default());
    let third = open(&device, 3).await;
    (before, is_there(&third).await)
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
        .find(|(seed, turns)| runtime.block_on(killed_in_a_put(*seed, *turns)) == (true, false))
}

#[test]
fn what_a_replay_found_survives_the_power_cut() {
    assert_eq!(first_loss(), None);
}

#[test]
fn a_group_that_is_not_written_again_is_noticed() {
    break_on_this_thread(Some(Rule::ReplayRewrites));
    let lost = first_loss();
    break_on_this_thread(None);
    assert!(lost.is_some());
}
