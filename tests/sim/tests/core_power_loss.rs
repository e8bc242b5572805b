//! Power cuts under a volume's head and replicas: V1, V3, V5, V10 and V11 hold. And the controls:
//! with a fault the same test must fail.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test core_power_loss`.

use hayrack_sim::core_volume::{Fault, live};

const SEEDS: u64 = 1_500;
const LIVES: u32 = 4;

fn first_failure(replicas: u16, seeds: u64, fault: Fault) -> Option<(u64, String)> {
    let fails = |seed| {
        live(seed, LIVES, replicas, fault)
            .err()
            .map(|wrong| (seed, wrong))
    };
    match std::env::var("HAYRACK_SEED") {
        Ok(seed) => fails(seed.parse().expect("HAYRACK_SEED is a number")),
        Err(_) => (0..seeds).find_map(fails),
    }
}

fn holds(replicas: u16, seeds: u64) {
    if let Some((seed, wrong)) = first_failure(replicas, seeds, Fault::None) {
        panic!("{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test core_power_loss");
    }
}

#[test]
fn one_replica_keeps_its_promises() {
    holds(1, SEEDS);
}

#[test]
fn two_replicas_stay_equal() {
    holds(2, SEEDS / 10);
}

#[test]
fn three_replicas_stay_equal() {
    holds(3, SEEDS / 10);
}

#[test]
fn a_durable_write_answered_early_is_caught() {
    assert!(first_failure(1, SEEDS, Fault::AnswersDurableWritesEarly).is_some());
}

#[test]
fn a_skipped_flush_is_caught() {
    assert!(first_failure(1, SEEDS, Fault::SkipsFlush).is_some());
}

#[test]
fn a_skipped_mark_is_caught() {
    assert!(first_failure(1, SEEDS, Fault::SkipsMarks).is_some());
}

#[test]
fn sums_that_are_not_durable_in_a_clean_region_are_caught() {
    assert!(first_failure(1, SEEDS, Fault::CleansWithoutSums).is_some());
}

#[test]
fn sums_trusted_after_an_unclean_stop_are_caught() {
    assert!(first_failure(1, SEEDS, Fault::TrustsSums).is_some());
}

#[test]
fn bytes_of_an_older_extent_are_caught() {
    assert!(first_failure(1, SEEDS, Fault::ServesForeignBytes).is_some());
}
