//! Checksums in S3's sense: their names, their values, and how those of parts become one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use s3d_bucket::{Checksum, ChecksumAlgorithm, ChecksumKind};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// All algorithms.
pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// The header (and trailer) that carries a value.
pub const fn header(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// The algorithm that a header carries.
pub fn of_header(name: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS
        .into_iter()
        .find(|algorithm| header(*algorithm) == name)
}

/// S3's name of an algorithm.
pub const fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

/// The algorithm of S3's name, in any case.
pub fn of_name(text: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS
        .into_iter()
        .find(|algorithm| name(*algorithm).eq_ignore_ascii_case(text))
}

/// S3's name of a kind.
pub const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// How many bytes a value has.
const fn width(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// Whether a text is a value of an algorithm: base64 of the right length.
pub fn is_value(algorithm: ChecksumAlgorithm, value: &str) -> bool {
    STANDARD
        .decode(value)
        .is_ok_and(|bytes| bytes.len() == width(algorithm))
}

/// Computes a checksum.
pub enum Hasher {
    /// One of the CRCs.
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl Hasher {
    /// Begins.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (crc(algorithm), algorithm) {
            (Some(crc), _) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (None, ChecksumAlgorithm::Sha1) => Self::Sha1(Sha1::new()),
            (None, _) => Self::Sha256(Sha256::new()),
        }
    }

    /// Takes bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The value as S3 writes it.
    pub fn finish(self) -> String {
        match self {
            Self::Crc(algorithm, digest) => crc_value(algorithm, digest.finalize()),
            Self::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Self::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

/// The value of these bytes.
pub fn of_bytes(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn crc_value(algorithm: ChecksumAlgorithm, value: u64) -> String {
    STANDARD.encode(&value.to_be_bytes()[8 - width(algorithm)..])
}

/// Why the checksums of parts do not become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// A part was uploaded without the checksum that the upload was begun with.
    #[error(
        "part {part} was uploaded without the {algorithm} checksum that the upload was created with"
    )]
    Missing {
        /// The part's number.
        part: u16,
        /// The algorithm's name.
        algorithm: &'static str,
    },
}

/// The checksum of an object made of parts, each given by number, length and checksum.
pub fn of_parts<'p>(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    parts: impl IntoIterator<Item = (u16, u64, Option<&'p Checksum>)>,
) -> Result<Checksum, CombineError> {
    let mut count = 0;
    let mut composite = Hasher::new(algorithm);
    let mut whole = 0;
    for (number, length, checksum) in parts {
        let value = checksum
            .filter(|checksum| checksum.algorithm == algorithm)
            .and_then(|checksum| STANDARD.decode(&checksum.value).ok())
            .ok_or(CombineError::Missing {
                part: number,
                algorithm: name(algorithm),
            })?;
        if let (ChecksumKind::FullObject, Some(crc)) = (kind, crc(algorithm)) {
            let value = value
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            whole = match count {
                0 => value,
                _ => crc_fast::checksum_combine(crc, whole, value, length),
            };
        }
        composite.update(&value);
        count += 1;
    }
    let value = match kind {
        ChecksumKind::FullObject => crc_value(algorithm, whole),
        ChecksumKind::Composite => format!("{}-{count}", composite.finish()),
    };
    Ok(Checksum {
        algorithm,
        value,
        kind,
    })
}

/// The checksum of two runs of bytes, given by length and checksum, one behind the other; `None` if
/// it cannot be told from theirs: only CRCs of all bytes can be combined.
pub fn of_both(runs: [(u64, &Checksum); 2]) -> Option<Checksum> {
    let [(_, first), (_, second)] = runs;
    let whole = |checksum: &Checksum| checksum.kind == ChecksumKind::FullObject;
    if crc(first.algorithm).is_none() || !whole(first) || !whole(second) {
        return None;
    }
    let runs = (1..).zip(runs);
    let runs = runs.map(|(number, (length, checksum))| (number, length, Some(checksum)));
    of_parts(first.algorithm, ChecksumKind::FullObject, runs).ok()
}

/// Whether an upload may ask for a kind of an algorithm, and which it gets if it does not say.
pub fn kind_of_upload(
    algorithm: ChecksumAlgorithm,
    asked: Option<ChecksumKind>,
) -> Option<ChecksumKind> {
    let digest = crc(algorithm).is_none();
    match asked {
        Some(ChecksumKind::FullObject) if digest => None,
        Some(ChecksumKind::Composite) if algorithm == ChecksumAlgorithm::Crc64Nvme => None,
        Some(kind) => Some(kind),
        None if algorithm == ChecksumAlgorithm::Crc64Nvme => Some(ChecksumKind::FullObject),
        None => Some(ChecksumKind::Composite),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        let of = |algorithm| of_bytes(algorithm, b"123456789");
        assert_eq!(
            of(ChecksumAlgorithm::Crc32),
            STANDARD.encode([0xcb, 0xf4, 0x39, 0x26])
        );
        assert_eq!(
            of(ChecksumAlgorithm::Crc32c),
            STANDARD.encode([0xe3, 0x06, 0x92, 0x83])
        );
        assert_eq!(
            of(ChecksumAlgorithm::Crc64Nvme),
            STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes())
        );
        assert_eq!(of_bytes(ChecksumAlgorithm::Crc32, b""), "AAAAAA==");
        assert_eq!(
            of_bytes(ChecksumAlgorithm::Sha1, b""),
            "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
        );
    }

    #[test]
    fn names_and_headers_come_back() {
        for algorithm in ALGORITHMS {
            assert_eq!(of_name(&name(algorithm).to_lowercase()), Some(algorithm));
            assert_eq!(of_header(header(algorithm)), Some(algorithm));
            assert!(is_value(algorithm, &of_bytes(algorithm, b"x")));
            assert!(!is_value(algorithm, "AA=="));
        }
    }

    #[test]
    fn kinds_that_s3_does_not_know_are_refused() {
        let full = Some(ChecksumKind::FullObject);
        assert_eq!(kind_of_upload(ChecksumAlgorithm::Sha1, full), None);
        assert_eq!(kind_of_upload(ChecksumAlgorithm::Crc32, full), full);
        let composite = Some(ChecksumKind::Composite);
        assert_eq!(
            kind_of_upload(ChecksumAlgorithm::Crc64Nvme, composite),
            None
        );
        assert_eq!(kind_of_upload(ChecksumAlgorithm::Crc32, None), composite);
    }

    proptest! {
        #[test]
        fn combined_crcs_are_those_of_all_bytes(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..6),
        ) {
            for algorithm in &ALGORITHMS[..3] {
                let sums: Vec<Checksum> = parts
                    .iter()
                    .map(|part| Checksum {
                        algorithm: *algorithm,
                        value: of_bytes(*algorithm, part),
                        kind: ChecksumKind::FullObject,
                    })
                    .collect();
                let named = (1..).zip(&parts).zip(&sums);
                let named = named.map(|((number, part), sum)| (number, part.len() as u64, Some(sum)));
                let whole = of_parts(*algorithm, ChecksumKind::FullObject, named);
                prop_assert_eq!(
                    whole.map(|sum| sum.value),
                    Ok(of_bytes(*algorithm, &parts.concat()))
                );
            }
        }
    }

    #[test]
    fn only_crcs_of_all_bytes_are_combined() {
        let sum = |algorithm, bytes: &[u8], kind| Checksum {
            algorithm,
            value: of_bytes(algorithm, bytes),
            kind,
        };
        for algorithm in ALGORITHMS {
            let of = |kind| {
                let first = sum(algorithm, b"1234", kind);
                let second = sum(algorithm, b"56789", ChecksumKind::FullObject);
                of_both([(4, &first), (5, &second)])
            };
            let whole = sum(algorithm, b"123456789", ChecksumKind::FullObject);
            let expected = crc(algorithm).map(|_| whole);
            assert_eq!(of(ChecksumKind::FullObject), expected);
            assert_eq!(of(ChecksumKind::Composite), None);
        }
        let [crc32, crc32c] = [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c]
            .map(|algorithm| sum(algorithm, b"x", ChecksumKind::FullObject));
        assert_eq!(of_both([(1, &crc32), (1, &crc32c)]), None);
    }

    #[test]
    fn a_composite_is_the_hash_of_hashes() {
        let sum = |bytes: &[u8]| Checksum {
            algorithm: ChecksumAlgorithm::Sha256,
            value: of_bytes(ChecksumAlgorithm::Sha256, bytes),
            kind: ChecksumKind::FullObject,
        };
        let (a, b) = (sum(b"a"), sum(b"b"));
        let of = |second| {
            let parts = [(1, 1, Some(&a)), (2, 1, second)];
            of_parts(ChecksumAlgorithm::Sha256, ChecksumKind::Composite, parts)
        };
        let hashes = [Sha256::digest(b"a"), Sha256::digest(b"b")].concat();
        let expected = format!("{}-2", STANDARD.encode(Sha256::digest(hashes)));
        assert_eq!(of(Some(&b)).map(|sum| sum.value), Ok(expected));
        assert_eq!(
            of(None),
            Err(CombineError::Missing {
                part: 2,
                algorithm: "SHA256"
            })
        );
    }
}
