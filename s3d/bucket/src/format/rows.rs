//! The rows of the index: which tables there are, and how keys and values are encoded.
//!
//! | table | key | value |
//! |---|---|---|
//! | objects | the key's bytes | [`Object`] |
//! | uploads | the key's bytes, NUL, 32 bytes of upload id | [`Upload`] |
//! | parts | 32 bytes of upload id, number (u16, big-endian) | [`Part`] |
//! | spans | span id (u64, big-endian) | [`Span`] |
//! | freed | span id (u64, big-endian) | [`Freed`]: nothing names the span any more, and it waits for its TRIM (B7) |
//!
//! A value is a version byte (2) and then postcard's encoding of the struct.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::object::{Key, Object, Part, SpanId, Upload, UploadId};

const VERSION: u8 = 2;

/// Length of an upload id's text.
pub const UPLOAD_ID_LENGTH: usize = 32;

/// A table of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    Objects = 0,
    Uploads = 1,
    Parts = 2,
    Spans = 3,
    Freed = 4,
}

impl Table {
    pub const ALL: [Self; 5] = [
        Self::Objects,
        Self::Uploads,
        Self::Parts,
        Self::Spans,
        Self::Freed,
    ];

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }

    /// Its name in redb.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Uploads => "uploads",
            Self::Parts => "parts",
            Self::Spans => "spans",
            Self::Freed => "freed",
        }
    }
}

/// Where a span lies, and who still needs it (B6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Byte address on the volume, counted from the start of the data zone.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// How many slices of objects and parts name it; 1 still when it is freed, as its row then
    /// stays as it was.
    pub references: u32,
    /// CRC32C of each [`CHECKED_RUN`](crate::CHECKED_RUN) bytes.
    pub sums: Vec<u32>,
}

/// Marks a span that nothing names any more. The span's own row stays until both go: freeing costs
/// the log a few bytes, however many sums the span has, and a read that began before finds it
/// where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed;

/// A change of one row: its new value, or `None` when it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    pub table: Table,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// A row that cannot be decoded: damaged, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    #[error("a row is in the format of another version ({0})")]
    Version(u8),
    #[error("a row is damaged")]
    Damaged,
}

/// A value of a table.
pub trait Row: Serialize + DeserializeOwned {
    fn encode(&self) -> Bytes {
        postcard::to_extend(self, vec![VERSION])
            .expect("a row holds nothing that postcard cannot encode")
            .into()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
                Ok((row, [])) => Ok(row),
                _ => Err(RowError::Damaged),
            },
            Some((&version, _)) => Err(RowError::Version(version)),
            None => Err(RowError::Damaged),
        }
    }
}

impl Row for Object {}
impl Row for Upload {}
impl Row for Part {}
impl Row for Span {}
impl Row for Freed {}

pub fn object_key(key: &Key) -> Bytes {
    Bytes::copy_from_slice(key.as_str().as_bytes())
}

pub fn upload_key(key: &Key, upload: &UploadId) -> Bytes {
    [key.as_str().as_bytes(), &[0], upload.0.as_bytes()]
        .concat()
        .into()
}

/// Undoes [`upload_key`].
pub fn split_upload_key(row: &[u8]) -> Result<(String, UploadId), RowError> {
    let id_at = row
        .len()
        .checked_sub(UPLOAD_ID_LENGTH)
        .ok_or(RowError::Damaged)?;
    let (key, id) = row.split_at(id_at);
    let key = key.strip_suffix(&[0]).ok_or(RowError::Damaged)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| RowError::Damaged);
    Ok((text(key)?, UploadId(text(id)?)))
}

pub fn part_key(upload: &UploadId, number: u16) -> Bytes {
    [upload.0.as_bytes(), &number.to_be_bytes()].concat().into()
}

/// The number at the end of a [`part_key`].
pub fn part_number(row: &[u8]) -> Result<u16, RowError> {
    row.last_chunk()
        .map(|number| u16::from_be_bytes(*number))
        .ok_or(RowError::Damaged)
}

pub fn span_key(span: SpanId) -> Bytes {
    Bytes::copy_from_slice(&span.0.to_be_bytes())
}

/// Undoes [`span_key`].
pub fn span_id(row: &[u8]) -> Result<SpanId, RowError> {
    row.try_into()
        .map(|id| SpanId(u64::from_be_bytes(id)))
        .map_err(|_| RowError::Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{Attributes, Blob, CannedAcl, Checksum, ChecksumAlgorithm, ChecksumKind};
    use crate::object::{SpanSlice, Timestamp};

    fn objects() -> impl Strategy<Value = Object> {
        let pairs = || proptest::collection::vec((".{0,20}", ".{0,20}"), 0..4);
        let slices = proptest::collection::vec((any::<u64>(), any::<u64>(), 0..1u64 << 40), 0..5);
        (
            any::<u64>(),
            any::<u64>(),
            pairs(),
            pairs(),
            slices,
            any::<bool>(),
        )
            .prop_map(|(size, time, headers, metadata, slices, public)| Object {
                size,
                modified: Timestamp(time),
                attributes: Attributes {
                    etag: "9e107d9d372bb6826bd81d3542a419d6".into(),
                    headers,
                    metadata,
                    acl: if public {
                        CannedAcl::PublicRead
                    } else {
                        CannedAcl::Private
                    },
                    checksum: public.then(|| Checksum {
                        algorithm: ChecksumAlgorithm::Crc64Nvme,
                        value: "AAAAAAAAAAA=".into(),
                        kind: ChecksumKind::FullObject,
                    }),
                },
                upload: public.then(|| UploadId("0f".repeat(16))),
                parts: Vec::new(),
                blob: Blob {
                    slices: slices
                        .into_iter()
                        .map(|(span, offset, length)| SpanSlice {
                            span: SpanId(span),
                            offset,
                            length,
                        })
                        .collect(),
                },
            })
    }

    proptest! {
        #[test]
        fn objects_round_trip(object in objects()) {
            prop_assert_eq!(Object::decode(&object.encode()).unwrap(), object);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Object::decode(&bytes);
            let _ = Span::decode(&bytes);
            let _ = Part::decode(&bytes);
            let _ = split_upload_key(&bytes);
            let _ = part_number(&bytes);
        }

        #[test]
        fn upload_keys_round_trip(key in "[^/]{1,100}", id in "[0-9a-f]{32}") {
            let key = Key::new(key).unwrap();
            let upload = UploadId(id);
            let row = upload_key(&key, &upload);
            prop_assert_eq!(split_upload_key(&row).unwrap(), (key.as_str().to_owned(), upload));
        }
    }

    #[test]
    fn another_version_is_refused() {
        for version in [VERSION - 1, VERSION + 1] {
            let refused = Err(RowError::Version(version));
            assert_eq!(Span::decode(&[version, 0]), refused);
        }
    }
}
