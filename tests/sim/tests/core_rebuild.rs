//! Extents of a volume on several nodes get more replicas, others in place of those that they have, and fewer, while
//! nodes fail and clients write: nothing that was acknowledged is lost, and in the end every extent has as
//! many replicas as it is to have, which hold the same.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test core_rebuild`.

use hayrack_sim::core_volume::{Broken, rebuild};

const SEEDS: u64 = 40;
const LIVES: u32 = 4;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn extents_get_the_replicas_that_they_lack_and_give_up_what_is_too_much() {
    let seeds = match number("HAYRACK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAYRACK_SEEDS").unwrap_or(SEEDS),
    };
    let (mut copied, mut given_up) = (0, 0);
    for seed in seeds {
        match rebuild(seed, LIVES, Broken::Nothing) {
            Ok(fared) => {
                copied += fared.copied;
                given_up += fared.given_up;
            }
            Err(wrong) => {
                panic!("{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test core_rebuild")
            }
        }
    }
    assert!(copied > 0, "no extent got a replica elsewhere");
    assert!(given_up > 0, "no extent gave one up");
}
