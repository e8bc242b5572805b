//! CRC32C (Castagnoli), the one checksum of every format in a bucket.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};

/// CRC32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// CRC32C of `pieces` one after the other.
pub fn crc32c_of_pieces<'a>(pieces: impl IntoIterator<Item = &'a Bytes>) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize() as u32
}

/// CRC32C of each run of `run` bytes of `pieces`; the last run may be shorter.
pub fn crc32c_of_runs(pieces: &[Bytes], run: usize) -> Vec<u32> {
    let mut sums = Vec::new();
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    let mut filled = 0;
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(run - filled));
            digest.update(now);
            filled += now.len();
            rest = later;
            if filled == run {
                sums.push(digest.finalize() as u32);
                digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
                filled = 0;
            }
        }
    }
    if filled > 0 {
        sums.push(digest.finalize() as u32);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn runs_do_not_depend_on_how_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n * 7) as u8).collect();
        let whole: Vec<u32> = bytes.chunks(4096).map(crc32c).collect();
        for cut in [1, 100, 4095, 4096, 4097, 9_999] {
            let pieces: Vec<Bytes> = bytes.chunks(cut).map(Bytes::copy_from_slice).collect();
            assert_eq!(crc32c_of_runs(&pieces, 4096), whole);
            assert_eq!(crc32c_of_pieces(&pieces), crc32c(&bytes));
        }
    }
}
