//! Every change that S3 has for an object, cut short: by kill -9 of either daemon or of both, and by
//! cutting the power of a machine.
//!
//! Every acknowledged change must be there and whole afterwards. A change that was in flight may be
//! there whole or not at all, and it must then stay so. `HAYRACK_SEED` repeats a run's choices,
//! `HAYRACK_CRASH_ROUNDS` sets how many rounds there are.

mod changes;
mod guest;
mod kill;
mod model;
mod power;
mod round;
mod writer;

/// How many rounds to run.
fn rounds(default: u32) -> u32 {
    std::env::var("HAYRACK_CRASH_ROUNDS").map_or(default, |text| text.parse().expect("a number"))
}
