//! What is written to disks and into the metadata store. Every structure is *sealed*:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic, four letters |
//! | 4..6 | version, u16 |
//! | 6..8 | features, u16: one bit for each that a reader must know; none is defined yet |
//! | 8..12 | length of the body, u32 |
//! | 12..16 | CRC32C of bytes 0..12 and of the body |
//! | 16.. | the body |
//!
//! All integers are little-endian. A newer version than this program knows is refused, and so is a
//! feature that it does not know.

mod dirty_log;
mod disk_state;
mod held;
mod missed_log;
mod placement_page;
mod promise;
mod slots;
mod sums_file;

pub use dirty_log::{DirtyLogRecord, LOG_SLOT_SIZE};
pub(crate) use dirty_log::{pack_runs, unpack_runs};
pub use disk_state::{DISK_STATE_SLOT_SIZE, DiskState};
pub use held::HeldRecord;
pub use missed_log::{MISSED_SLOT_SIZE, MissedLogRecord};
pub use placement_page::{EXTENTS_PER_PAGE, PageError, PlacementPage};
pub use promise::{PROMISE_SLOT_SIZE, PromiseRecord};
pub use slots::{SlotRecord, Slots, newest};
pub use sums_file::{SUMS_FILE_SIZE, SumsHeader, decode_sums, encode_sums, sums_offset};

/// Bytes before the body.
pub const SEAL_SIZE: usize = 16;

/// Bytes cannot be read as what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They are something else, torn or damaged.
    #[error("it is damaged")]
    Damaged,
    /// They were written by a newer program.
    #[error("it has version {found}, and this program knows up to {known}: use a newer program")]
    Newer {
        /// The version of the bytes.
        found: u16,
        /// The newest version that is known.
        known: u16,
    },
    /// They were written by a newer program, in a way that this one does not know.
    #[error("it has features that this program does not know ({0:#06x}): use a newer program")]
    UnknownFeatures(u16),
}

/// What tells one structure from another.
pub(crate) struct Kind {
    pub magic: [u8; 4],
    /// What is written; every earlier one is read.
    pub version: u16,
}

/// What a seal held.
pub(crate) struct Opened<'a> {
    pub version: u16,
    pub body: Reader<'a>,
    /// What follows the body.
    pub rest: &'a [u8],
}

impl Kind {
    /// Seals a body.
    pub fn seal(&self, body: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(SEAL_SIZE + body.len());
        sealed.extend_from_slice(&self.magic);
        sealed.extend_from_slice(&self.version.to_le_bytes());
        sealed.extend_from_slice(&[0; 2]);
        sealed.extend_from_slice(&(body.len() as u32).to_le_bytes());
        sealed.extend_from_slice(&[0; 4]);
        sealed.extend_from_slice(body);
        let crc = seal_crc(&sealed);
        sealed[12..16].copy_from_slice(&crc.to_le_bytes());
        sealed
    }

    /// Opens sealed bytes.
    pub fn open<'a>(&self, bytes: &'a [u8]) -> Result<Opened<'a>, FormatError> {
        let mut seal = Reader(bytes);
        let magic: [u8; 4] = seal.array()?;
        let version = seal.u16()?;
        let features = seal.u16()?;
        let length = seal.u32()? as usize;
        let crc = seal.u32()?;
        if magic != self.magic || version == 0 || seal.0.len() < length {
            return Err(FormatError::Damaged);
        }
        let (sealed, rest) = bytes.split_at(SEAL_SIZE + length);
        if seal_crc(sealed) != crc {
            return Err(FormatError::Damaged);
        }
        // Only after the checksum: a damaged version number is damage, not a newer program.
        if version > self.version {
            return Err(FormatError::Newer {
                found: version,
                known: self.version,
            });
        }
        if features != 0 {
            return Err(FormatError::UnknownFeatures(features));
        }
        Ok(Opened {
            version,
            body: Reader(&sealed[SEAL_SIZE..]),
            rest,
        })
    }
}

fn seal_crc(sealed: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&sealed[..12]);
    digest.update(&sealed[SEAL_SIZE..]);
    digest.finalize() as u32
}

/// Reads integers off the front of bytes that may be anything.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(FormatError::Damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, FormatError> {
        self.array().map(u128::from_le_bytes)
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(|[byte]| byte)
    }

    /// The body must have nothing left.
    pub fn end(&self) -> Result<(), FormatError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FormatError, Kind, SEAL_SIZE, seal_crc};

    const OLD: Kind = Kind {
        magic: *b"TEST",
        version: 1,
    };
    const NEW: Kind = Kind {
        magic: *b"TEST",
        version: 2,
    };

    #[test]
    fn a_newer_version_is_refused_with_a_sentence() {
        let refusal = OLD.open(&NEW.seal(b"body")).err().unwrap();
        assert_eq!(refusal, FormatError::Newer { found: 2, known: 1 });
        assert!(refusal.to_string().contains("newer program"));
        assert_eq!(NEW.open(&OLD.seal(b"body")).ok().unwrap().version, 1);
    }

    #[test]
    fn an_unknown_feature_is_refused_with_a_sentence_and_is_no_damage() {
        let mut sealed = OLD.seal(b"body");
        sealed[6] = 4;
        assert_eq!(OLD.open(&sealed).err(), Some(FormatError::Damaged));
        let crc = seal_crc(&sealed);
        sealed[12..SEAL_SIZE].copy_from_slice(&crc.to_le_bytes());
        let refusal = OLD.open(&sealed).err().unwrap();
        assert_eq!(refusal, FormatError::UnknownFeatures(4));
        assert!(refusal.to_string().contains("newer program"));
    }
}
