//! MD5 (RFC 1321) of one message, and of several side by side.

mod lanes;

use bytes::Bytes;
use md5::block_api::compress;

pub use lanes::LANES;

const BLOCK: usize = 64;

type State = [u32; 4];

/// Where every message begins (RFC 1321, 3.3).
const BEGIN: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The MD5 of a body that is coming in.
#[derive(Debug, Clone)]
pub struct Md5 {
    state: State,
    /// Bytes taken so far.
    length: u64,
    /// The last `length % 64` of them, which make no whole block yet.
    rest: [u8; BLOCK],
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl Md5 {
    /// The MD5 of nothing yet.
    pub fn new() -> Self {
        Self {
            state: BEGIN,
            length: 0,
            rest: [0; BLOCK],
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let blocks = self.whole_blocks(&mut bytes);
        self.compress(blocks);
    }

    /// The digest of everything that was taken.
    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        let mut padding = [0; BLOCK];
        padding[0] = 0x80;
        // So many that the length of the message ends a block.
        let zeroes = (2 * BLOCK - 1 - bits.len() - self.held()) % BLOCK;
        self.update(&padding[..=zeroes]);
        self.update(&bits);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    fn held(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Takes what fills the block that is begun, and what begins the next; answers the whole blocks
    /// between, which the caller must compress.
    fn whole_blocks<'b>(&mut self, bytes: &mut &'b [u8]) -> &'b [u8] {
        let held = self.held();
        self.length += bytes.len() as u64;
        if held > 0 {
            let filling = bytes.split_off(..bytes.len().min(BLOCK - held));
            let filling = filling.unwrap_or_default();
            self.rest[held..held + filling.len()].copy_from_slice(filling);
            if held + filling.len() < BLOCK {
                return &[];
            }
            compress(&mut self.state, &[self.rest]);
        }
        let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        self.rest[..rest.len()].copy_from_slice(rest);
        blocks
    }

    fn compress(&mut self, blocks: &[u8]) {
        compress(&mut self.state, blocks.as_chunks().0);
    }
}

/// The MD5 of each of several whole messages.
pub fn digests(messages: &[Bytes]) -> Vec<[u8; 16]> {
    let mut sums = vec![Md5::new(); messages.len()];
    for (sums, messages) in sums.chunks_mut(LANES).zip(messages.chunks(LANES)) {
        let pieces = messages.iter().map(std::slice::from_ref);
        let streams = sums.iter_mut().zip(pieces);
        update_together(
            streams
                .map(|(md5, piece)| Stream::new(md5, piece))
                .collect(),
        );
    }
    sums.into_iter().map(Md5::finish).collect()
}

/// A body's MD5 and the pieces that it takes next.
pub struct Stream<'s> {
    md5: &'s mut Md5,
    pieces: std::slice::Iter<'s, Bytes>,
    /// Whole blocks of the piece before.
    blocks: &'s [u8],
}

impl<'s> Stream<'s> {
    /// Nothing is taken before [`update_together`].
    pub fn new(md5: &'s mut Md5, pieces: &'s [Bytes]) -> Self {
        Self {
            md5,
            pieces: pieces.iter(),
            blocks: &[],
        }
    }

    /// Goes on to the next whole blocks; false behind the last.
    fn advance(&mut self) -> bool {
        while self.blocks.is_empty() {
            let Some(piece) = self.pieces.next() else {
                return false;
            };
            self.blocks = self.md5.whole_blocks(&mut &piece[..]);
        }
        true
    }
}

/// Takes the pieces of all streams, at most [`LANES`] of them, side by side.
pub fn update_together(mut streams: Vec<Stream<'_>>) {
    loop {
        streams.retain_mut(Stream::advance);
        match &mut streams[..] {
            [] => return,
            [alone] => {
                alone.md5.compress(alone.blocks);
                alone.blocks = &[];
            }
            several => side_by_side(several),
        }
    }
}

fn side_by_side(streams: &mut [Stream<'_>]) {
    // Lanes without a stream of their own do the first one's work once more.
    let of = |lane: usize| if lane < streams.len() { lane } else { 0 };
    let mut states = std::array::from_fn(|lane| streams[of(lane)].md5.state);
    let blocks = std::array::from_fn(|lane| streams[of(lane)].blocks);
    let length = lanes::compress(&mut states, &blocks);
    for (stream, state) in streams.iter_mut().zip(states) {
        stream.md5.state = state;
        stream.blocks = &stream.blocks[length..];
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest;
    use proptest::prelude::*;

    use super::*;

    fn filled(length: usize, seed: u8) -> Bytes {
        (0..length)
            .map(|at| (at as u8).wrapping_mul(seed) ^ seed)
            .collect()
    }

    fn expected(pieces: &[Bytes]) -> [u8; 16] {
        md5::Md5::digest(pieces.concat()).into()
    }

    #[test]
    fn known_digests() {
        let hex = |text: &str| {
            let mut md5 = Md5::new();
            md5.update(text.as_bytes());
            hex::encode(md5.finish())
        };
        assert_eq!(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn every_length_is_padded_well() {
        for length in 0..200 {
            let bytes = filled(length, 3);
            let mut md5 = Md5::new();
            md5.update(&bytes);
            assert_eq!(md5.finish(), expected(&[bytes]), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn whole_messages_are_as_one_by_one(
            lengths in proptest::collection::vec(0usize..5000, 0..3 * LANES),
        ) {
            let messages: Vec<Bytes> =
                (1u8..).zip(&lengths).map(|(seed, length)| filled(*length, seed)).collect();
            let one_by_one = messages.iter().map(|message| expected(std::slice::from_ref(message)));
            prop_assert_eq!(digests(&messages), one_by_one.collect::<Vec<_>>());
        }

        #[test]
        fn side_by_side_is_as_one_by_one(
            lengths in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0usize..200, 2000usize..5000], 0..5),
                0..=LANES,
            ),
        ) {
            let bodies: Vec<Vec<Bytes>> = (1u8..)
                .zip(&lengths)
                .map(|(seed, lengths)| lengths.iter().map(|it| filled(*it, seed)).collect())
                .collect();
            let mut sums = vec![Md5::new(); bodies.len()];
            // Twice, so that the second time begins within a block.
            for _ in 0..2 {
                let streams = sums.iter_mut().zip(&bodies);
                update_together(streams.map(|(md5, body)| Stream::new(md5, body)).collect());
            }
            for (sum, body) in sums.into_iter().zip(&bodies) {
                prop_assert_eq!(sum.finish(), expected(&[&body[..], body].concat()));
            }
        }
    }
}
