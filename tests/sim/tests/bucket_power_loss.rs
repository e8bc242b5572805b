//! Power cuts under a bucket: nothing acknowledged is missing, nothing deleted comes back, no
//! object is half there. And the controls: with a fault the same test must fail.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test bucket_power_loss`.

use std::sync::atomic::{AtomicBool, Ordering};

use hayrack_sim::bucket::live;
use hayrack_sim::device::Fault;

const SEEDS: u64 = 1_000;
const LIVES: u32 = 4;
const THREADS: usize = 2;

fn first_failure(fault: Fault) -> Option<(u64, String)> {
    let fails = |seed| live(seed, LIVES, fault).err().map(|wrong| (seed, wrong));
    if let Ok(seed) = std::env::var("HAYRACK_SEED") {
        return fails(seed.parse().expect("HAYRACK_SEED is a number"));
    }
    let found = AtomicBool::new(false);
    let share = |from| {
        (from..SEEDS)
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
    if let Some((seed, wrong)) = first_failure(Fault::None) {
        panic!("{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test bucket_power_loss");
    }
}

#[test]
fn a_skipped_flush_is_caught() {
    assert!(first_failure(Fault::SkipsFlush).is_some());
}

#[test]
fn a_group_answered_before_it_is_durable_is_caught() {
    assert!(first_failure(Fault::AnswersEarlyBelow(u64::MAX)).is_some());
}

#[test]
fn a_record_durable_before_its_body_is_caught() {
    assert!(first_failure(Fault::AnswersBodiesEarly).is_some());
}
