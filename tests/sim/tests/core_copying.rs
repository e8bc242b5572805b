//! Extents move between disks under a volume that is read and written, whatever goes wrong meanwhile: V3,
//! V5, V10 and V11 hold, the accounts of both disks are right, and in the end a disk can be emptied.
//!
//! One seed alone: `HAYRACK_SEED=17 cargo test -p hayrack-sim --test core_copying`.

use hayrack_sim::core_volume::{Broken, move_extents};

const SEEDS: u64 = 150;
const LIVES: u32 = 4;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn what_is_written_while_its_extent_moves_is_kept() {
    let seeds = match number("HAYRACK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAYRACK_SEEDS").unwrap_or(SEEDS),
    };
    let mut moved = 0;
    for seed in seeds {
        match move_extents(seed, LIVES, Broken::Nothing) {
            Ok(more) => moved += more,
            Err(wrong) => {
                panic!("{wrong}\nHAYRACK_SEED={seed} cargo test -p hayrack-sim --test core_copying")
            }
        }
    }
    assert!(moved > 0, "no extent came to its new disk");
}
