//! Power cuts under a bucket: nothing acknowledged is missing, nothing deleted comes back, no
//! object is half there. And the controls: with a fault the same test must fail.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test bucket_power_loss`.

use hayrack_sim::bucket::live;
use hayrack_sim::device::Fault;

const SEEDS: u64 = 1_000;
const LIVES: u32 = 4;

fn first_failure(fault: Fault) -> Option<(u64, String)> {
    if let Ok(seed) = std::env::var("HAYRACK_SEED") {
        let seed = seed.parse().expect("HAYRACK_SEED is a number");
        return live(seed, LIVES, fault).err().map(|wrong| (seed, wrong));
    }
    (0..SEEDS).find_map(|seed| live(seed, LIVES, fault).err().map(|wrong| (seed, wrong)))
}

#[test]
fn what_was_acknowledged_survives() {
    if let Some((seed, wrong)) = first_failure(Fault::None) {
        panic!(
            "{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test bucket_power_loss"
        );
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
