//! Volumes in the kernel's hands, in a guest: its NBD client, ext4 and xfs on a volume that grows, a daemon that
//! is killed, and a machine whose power is cut.
//!
//! `HAYRACK_CRASH_ROUNDS` sets how often daemons are killed and the power is cut.

mod grow;
mod guest;
mod kill;
mod power;
mod token;

/// How many rounds to run.
fn rounds() -> u32 {
    std::env::var("HAYRACK_CRASH_ROUNDS").map_or(5, |text| text.parse().expect("a number"))
}
