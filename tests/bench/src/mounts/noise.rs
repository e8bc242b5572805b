//! Bytes and places that look random and are the same in each run.

/// A generator (xorshift).
pub struct Noise(u64);

impl Noise {
    /// Another seed gives other numbers; it is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// So many bytes, a multiple of 8 of them.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length / 8)
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }
}
