//! Seeds and contents.

use std::time::{SystemTime, UNIX_EPOCH};

/// Sets the seed of a test, to run it again.
const SEED: &str = "HAYRACK_SEED";

/// The seed of this run: from the environment, else from the clock; printed either way.
///
/// # Panics
/// When the environment holds no number.
pub fn seed() -> u64 {
    let seed = std::env::var(SEED).map_or_else(
        |_| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("it is after 1970").subsec_nanos().into()
        },
        |text| text.parse().expect("HAYRACK_SEED is a number"),
    );
    println!("{SEED}={seed}");
    seed
}

/// The bytes that a tag stands for: every 8 bytes tell where they are from, so that no part of one
/// content can pass for a part of another.
pub fn content(tag: u64, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length.div_ceil(8) as u64)
        .flat_map(|word| (tag ^ word.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes())
        .collect();
    bytes.truncate(length);
    bytes
}
