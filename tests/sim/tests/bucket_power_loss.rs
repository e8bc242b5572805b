//! Power cuts, broken connections, failed writes and full pools under a bucket: nothing acknowledged
//! is missing, nothing deleted comes back, no object is half there, no space is lost. And the
//! controls: with a rule broken the same test must fail.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test bucket_power_loss acknowledged`.
//! Many of them: `HAYRACK_SEEDS=100000 cargo test --release -p hayrack-sim --test bucket_power_loss
//! acknowledged`.

use std::sync::atomic::{AtomicBool, Ordering};

use hayrack_sim::bucket::live;
use s3d_bucket::rules::Rule;

const SEEDS: u64 = 1_000;

/// A broken rule may take more of them: the search ends with the first that notices.
const SEEDS_TO_NOTICE: u64 = 10_000;
const LIVES: u32 = 4;
const THREADS: usize = 2;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn first_failure(broken: Option<Rule>) -> Option<(u64, String)> {
    let fails = |seed| live(seed, LIVES, broken).err().map(|wrong| (seed, wrong));
    if let Some(seed) = number("HAYRACK_SEED") {
        return fails(seed);
    }
    let seeds = broken.map_or(SEEDS, |_| SEEDS_TO_NOTICE);
    let seeds = number("HAYRACK_SEEDS").unwrap_or(seeds);
    let found = AtomicBool::new(false);
    let share = |from| {
        (from..seeds)
            .step_by(THREADS)
            .take_while(|_| !found.load(Ordering::Relaxed))
            .find_map(fails)
            .inspect(|_| found.store(true, Ordering::Relaxed))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64)
            .map(|from| scope.spawn(move || share(from)))
            .collect();
        threads
            .into_iter()
            .filter_map(|it| it.join().expect("a share does not panic"))
            .min()
    })
}

#[test]
fn what_was_acknowledged_survives() {
    if let Some((seed, wrong)) = first_failure(None) {
        panic!(
            "{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test bucket_power_loss \
             acknowledged"
        );
    }
}

/// Those that the seeds rarely meet have tests of their own: a server killed in the middle of a group
/// (`bucket_replay.rs`), a log that passes an open body (`bucket_sweep.rs`), a span freed or moved
/// while it is moved (the bucket's `commit/plan/tests.rs`).
const ELSEWHERE: [Rule; 4] = [
    Rule::ReplayRewrites,
    Rule::ReplayRewritesAll,
    Rule::ClaimsInSweep,
    Rule::ConditionalMove,
];

#[test]
fn a_rule_that_is_broken_is_noticed() {
    let here = |rule: &Rule| !ELSEWHERE.contains(rule);
    for rule in Rule::ALL.into_iter().filter(here) {
        let noticed = first_failure(Some(rule));
        let (seed, wrong) =
            noticed.unwrap_or_else(|| panic!("nobody notices that {rule:?} is broken"));
        println!("{rule:?}: seed {seed}: {wrong}");
    }
}
