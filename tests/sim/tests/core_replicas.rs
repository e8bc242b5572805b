//! A volume on two and three nodes that are killed, lose power and cannot be reached: nothing that was
//! acknowledged is lost, what was read once is read again, and in the end every replica holds the same.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test core_replicas three`.

use hayrack_sim::core_volume::{Broken, replicate};

const SEEDS: u64 = 150;
const LIVES: u32 = 4;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

fn holds(nodes: u16, name: &str) {
    let seeds = match number("HAYRACK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAYRACK_SEEDS").unwrap_or(SEEDS),
    };
    let mut included = 0;
    for seed in seeds {
        match replicate(seed, nodes, LIVES, Broken::Nothing) {
            Ok(more) => included += more.included,
            Err(wrong) => panic!(
                "{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test core_replicas {name}"
            ),
        }
    }
    assert!(included > 0, "no replica came back in sync");
}

#[test]
fn two_replicas_keep_their_promises() {
    holds(2, "two");
}

#[test]
fn three_replicas_keep_their_promises() {
    holds(3, "three");
}
