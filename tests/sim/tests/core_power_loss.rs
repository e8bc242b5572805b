//! A volume under power cuts and every other fault of its disks and its store: the rules hold.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test core_power_loss`; more of them:
//! `HAYRACK_SEEDS=100000` in its place.

use hayrack_sim::core_volume::{Broken, Volume, live};

const SEEDS: u64 = 1_500;
const LIVES: u32 = 4;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

fn holds(disks: u16, seeds: u64) {
    let volume = Volume {
        disks,
        lives: LIVES,
        broken: Broken::Nothing,
    };
    let seeds = match number("HAYRACK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAYRACK_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        if let Err(wrong) = live(seed, volume) {
            panic!("{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test core_power_loss");
        }
    }
}

#[test]
fn one_replica_keeps_its_promises() {
    holds(1, SEEDS);
}

#[test]
fn one_replica_on_one_of_several_disks_keeps_them_too() {
    holds(2, SEEDS);
}
