//! MD5's compression (RFC 1321, 3.4) of eight messages in step, one in each lane of a vector.
//!
//! One message is a chain in which every step waits for the one before, and leaves most of the
//! processor idle. Eight of them side by side are hashed at over five times the rate (AVX2).

#![expect(
    clippy::inline_always,
    reason = "vectors are fast only in a function that was made for the processor's features"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u32x8};

use super::{BLOCK, State};

/// How many messages go side by side.
pub const LANES: usize = 8;

/// `floor(2^32 × |sin(i + 1)|)`.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

const ROTATIONS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// Compresses as many blocks of each message as the shortest has whole ones; the others' rest is
/// not looked at. Answers how many bytes of each that were.
pub fn compress(states: &mut [State; LANES], messages: &[&[u8]; LANES]) -> usize {
    let shortest = messages.iter().map(|message| message.len()).min();
    let length = shortest.unwrap_or_default() / BLOCK * BLOCK;
    let messages = messages.map(|message| &message[..length]);
    let level = Level::new();
    dispatch!(level, simd => compress_all(simd, states, messages));
    length
}

#[inline(always)]
fn compress_all<S: Simd>(simd: S, states: &mut [State; LANES], messages: [&[u8]; LANES]) {
    let mut sums: [u32x8<S>; 4] = std::array::from_fn(
        #[inline(always)]
        |word| u32x8::load_array(simd, states.map(|state| state[word])),
    );
    for at in (0..messages[0].len()).step_by(BLOCK) {
        let words = words(simd, &messages, at);
        let mut now = sums;
        round::<S, 0>(simd, &mut now, &words);
        round::<S, 1>(simd, &mut now, &words);
        round::<S, 2>(simd, &mut now, &words);
        round::<S, 3>(simd, &mut now, &words);
        for (sum, now) in sums.iter_mut().zip(now) {
            *sum += now;
        }
    }
    for (word, sum) in sums.into_iter().enumerate() {
        for (state, value) in states.iter_mut().zip(sum.to_array()) {
            state[word] = value;
        }
    }
}

/// The 16 words of each message's block at `at`: word by word, a lane for each message.
#[inline(always)]
fn words<S: Simd>(simd: S, messages: &[&[u8]; LANES], at: usize) -> [u32x8<S>; 16] {
    let (mut front, mut back) = ([u32x8::splat(simd, 0); 8], [u32x8::splat(simd, 0); 8]);
    for (lane, message) in messages.iter().enumerate() {
        let block = &message[at..at + BLOCK];
        front[lane] = load(simd, &block[..32]);
        back[lane] = load(simd, &block[32..]);
    }
    let mut words = [u32x8::splat(simd, 0); 16];
    words[..8].copy_from_slice(&transpose(front));
    words[8..].copy_from_slice(&transpose(back));
    words
}

#[inline(always)]
fn load<S: Simd>(simd: S, bytes: &[u8]) -> u32x8<S> {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    u32x8::load_array(simd, words)
}

/// Three perfect shuffles of eight rows of eight turn rows into columns.
#[inline(always)]
fn transpose<S: Simd>(mut rows: [u32x8<S>; 8]) -> [u32x8<S>; 8] {
    for _ in 0..3 {
        let before = rows;
        for half in 0..4 {
            let (front, back) = (before[half], before[half + 4]);
            rows[2 * half] = front.zip_low(back);
            rows[2 * half + 1] = front.zip_high(back);
        }
    }
    rows
}

#[inline(always)]
fn round<S: Simd, const ROUND: usize>(simd: S, state: &mut [u32x8<S>; 4], words: &[u32x8<S>; 16]) {
    let [mut a, mut b, mut c, mut d] = *state;
    for step in 0..16 {
        let (mixed, word) = match ROUND {
            0 => (d ^ (b & (c ^ d)), step),
            1 => (c ^ (d & (b ^ c)), (5 * step + 1) % 16),
            2 => (b ^ c ^ d, (3 * step + 5) % 16),
            _ => (c ^ (b | !d), (7 * step) % 16),
        };
        let sine = u32x8::splat(simd, SINES[ROUND * 16 + step]);
        let sum = a + (words[word] + sine) + mixed;
        let left = ROTATIONS[ROUND][step % 4];
        let rotated = (sum << left) | (sum >> (32 - left));
        (a, b, c, d) = (d, b + rotated, b, c);
    }
    *state = [a, b, c, d];
}
