//! Random bytes and names from the operating system.

use rand::TryRng as _;
use rand::rngs::SysRng;

/// Bytes nobody can guess.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives random bytes once it has booted");
    bytes
}

/// Text of `length` characters of an alphabet with 2, 4, … 64 letters, each equally likely.
pub fn text<const N: usize>(alphabet: &[u8; N], length: usize) -> String {
    const { assert!(N.is_power_of_two() && N <= 256) };
    (0..length)
        .map(|_| char::from(alphabet[usize::from(bytes::<1>()[0]) % N]))
        .collect()
}

/// A number nobody had before.
pub fn id() -> u128 {
    u128::from_le_bytes(bytes())
}
