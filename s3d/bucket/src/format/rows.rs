//! The rows of the index: which tables there are, and how keys and values are encoded.
//!
//! | table | key | value |
//! |---|---|---|
//! | objects | the key's bytes | [`Object`] |
//! | uploads | the key's bytes, NUL, upload id | [`Upload`] |
//! | parts | upload id, number (u16, big-endian) | [`Part`] |
//! | spans | span id (u64, big-endian) | [`Span`] |
//! | freed | span id (u64, big-endian) | [`Freed`]: nothing names the span any more, and it waits for its TRIM (B7) |
//! | shares | span id (u64, big-endian) | [`Shares`]: how many slices name the span, when it is not one |
//! | slices | blob id (u64, big-endian), end (u64, big-endian) | [`Slices`]: the slices of a stored blob that end at or before this byte of it, behind those of the row before |
//! | blob shares | blob id (u64, big-endian) | [`Shares`]: how many objects have the blob, or its beginning, when it is not one |
//! | doomed | see [`Doomed`] | empty: nothing names a blob or an upload any more, and what it names waits to be released |
//! | totals | nothing | [`Totals`] |
//! | events | sequence number of the last (u64, big-endian) | [`EventChunk`](crate::index::feed::EventChunk): a piece of the change feed |
//! | feed state | nothing | [`FeedState`](crate::index::feed::FeedState): what the chunks amount to |
//! | moved | offset in the data zone (u64, big-endian) | [`MovedSpan`]: this span lies here, and not where its id says |
//! | holes | unit of the data zone (u64, big-endian) | [`Holes`]: what dead spans hold because others in their blocks live (B8) |
//! | tokens | the first 12 bits of the tokens (u16, big-endian) | [`Tokens`]: the requests of late, each to be known when it is repeated |
//! | redirect | nothing | [`Redirect`](crate::format::redirect::Redirect): the prefix rename under way (B10) |
//! | arrivals | the key's bytes | [`Object`]: one that was put under the old prefix of that rename, where the place among the objects is not free yet |
//!
//! Events and feed state are no part of a record: a fold makes them of the records that it folds.
//!
//! An upload id is 33 bytes. A value is a version byte (3) and then postcard's encoding of the
//! struct.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::object::{BlobId, Key, Object, Part, SpanId, SpanSlice, Upload, UploadId};
use crate::requests::{RequestToken, TokenHash};
use crate::totals::Totals;

const VERSION: u8 = 3;

/// Length of an upload id's text.
pub const UPLOAD_ID_LENGTH: usize = 33;

/// A table of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    Objects = 0,
    Uploads = 1,
    Parts = 2,
    Spans = 3,
    Freed = 4,
    Shares = 5,
    Slices = 6,
    BlobShares = 7,
    Doomed = 8,
    Totals = 9,
    Events = 10,
    FeedState = 11,
    Moved = 12,
    Holes = 13,
    Tokens = 14,
    Redirect = 15,
    Arrivals = 16,
}

impl Table {
    pub const ALL: [Self; 17] = [
        Self::Objects,
        Self::Uploads,
        Self::Parts,
        Self::Spans,
        Self::Freed,
        Self::Shares,
        Self::Slices,
        Self::BlobShares,
        Self::Doomed,
        Self::Totals,
        Self::Events,
        Self::FeedState,
        Self::Moved,
        Self::Holes,
        Self::Tokens,
        Self::Redirect,
        Self::Arrivals,
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
            Self::Shares => "shares",
            Self::Slices => "slices",
            Self::BlobShares => "blob shares",
            Self::Doomed => "doomed",
            Self::Totals => "totals",
            Self::Events => "events",
            Self::FeedState => "feed state",
            Self::Moved => "moved",
            Self::Holes => "holes",
            Self::Tokens => "tokens",
            Self::Redirect => "redirect",
            Self::Arrivals => "arrivals",
        }
    }
}

/// Where a span lies (B6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Byte address on the volume, counted from the start of the data zone.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// CRC32C of each [`CHECKED_RUN`](crate::CHECKED_RUN) bytes.
    pub sums: Vec<u32>,
}

/// Marks a span that nothing names any more. The span's own row stays until both go: freeing costs
/// the log a few bytes, however many sums the span has, and a read that began before finds it
/// where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed;

/// How many name a span or a blob: two or more, as one is what the absence of a row means. Apart
/// from the span's row, so that a copy rewrites no sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares(pub u64);

/// Slices of a stored blob, one after the other; at most
/// [`MAX_INLINE_SLICES`](crate::object::MAX_INLINE_SLICES).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices(pub Vec<SpanSlice>);

/// Marks what is gone for everyone, while what it names is released a bounded number of rows at a
/// time: neither a full pool nor the changes of others wait for the deletion of something huge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doomed {
    /// Its slices are still there. Key: `b`, blob id (u64, big-endian).
    Blob(BlobId),
    /// Its parts are still there. Key: `p`, upload id.
    Upload(UploadId),
}

impl Doomed {
    pub fn key(&self) -> Bytes {
        match self {
            Self::Blob(id) => [b"b", &id.0.to_be_bytes()[..]].concat().into(),
            Self::Upload(id) => [b"p", id.0.as_bytes()].concat().into(),
        }
    }

    /// Undoes [`Doomed::key`].
    pub fn from_key(row: &[u8]) -> Result<Self, RowError> {
        match row.split_first() {
            Some((b'b', id)) => Ok(Self::Blob(BlobId(number(id)?))),
            Some((b'p', id)) => Ok(Self::Upload(UploadId(text(id)?))),
            _ => Err(RowError::Damaged),
        }
    }
}

/// The span that lies at an offset to which it was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedSpan(pub SpanId);

/// What a unit of the log holds in vain. It only says where to look: what is exact is what the rows
/// of spans say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holes {
    /// Bytes of dead spans in blocks that others live in.
    pub bytes: u64,
}

/// Requests whose tokens begin alike, the newest first; at most [`MAX_TOKENS`]. The table is a hash
/// table of a fixed size: 4,096 such rows, in which a bucket remembers its last ten thousand requests
/// or so, and 32,768 at most. Postcard writes how many they are (a varint) and for each the 16 bytes of
/// its token and the 16 of its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens(pub Vec<RequestToken>);

impl Tokens {
    /// The parameters with which a token was used before, if it was.
    pub fn parameters(&self, token: &TokenHash) -> Option<TokenHash> {
        let used = self.0.iter().find(|used| used.token == *token);
        used.map(|used| used.parameters)
    }
}

/// Most requests in a row of the tokens table.
pub const MAX_TOKENS: usize = 8;

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
impl Row for () {}
impl Row for Shares {}
impl Row for Slices {}
impl Row for Totals {}
impl Row for MovedSpan {}
impl Row for Holes {}
impl Row for Tokens {}

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

/// The key of an offset, or of a unit.
pub fn offset_key(offset: u64) -> Bytes {
    Bytes::copy_from_slice(&offset.to_be_bytes())
}

/// Undoes [`offset_key`].
pub fn offset_of(row: &[u8]) -> Result<u64, RowError> {
    row.try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| RowError::Damaged)
}

/// Undoes [`span_key`].
pub fn span_id(row: &[u8]) -> Result<SpanId, RowError> {
    number(row).map(SpanId)
}

pub fn blob_key(blob: BlobId) -> Bytes {
    Bytes::copy_from_slice(&blob.0.to_be_bytes())
}

/// `end`: where the row's last slice ends, in bytes from the blob's start.
pub fn slices_key(blob: BlobId, end: u64) -> Bytes {
    [blob.0.to_be_bytes(), end.to_be_bytes()].concat().into()
}

/// The end in a [`slices_key`].
pub fn slices_end(row: &[u8]) -> Result<u64, RowError> {
    number(row.get(8..).unwrap_or_default())
}

/// The blob in a [`slices_key`].
pub fn blob_of_slices(row: &[u8]) -> Result<BlobId, RowError> {
    number(row.get(..8).unwrap_or_default()).map(BlobId)
}

/// The key of the row in which a token is remembered.
pub fn tokens_key(token: &TokenHash) -> Bytes {
    let row = u16::from_be_bytes([token[0], token[1]]) >> 4;
    Bytes::copy_from_slice(&row.to_be_bytes())
}

fn number(bytes: &[u8]) -> Result<u64, RowError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| RowError::Damaged)
}

fn text(bytes: &[u8]) -> Result<String, RowError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| RowError::Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::acl::Acl;
    use crate::attributes::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind};
    use crate::object::{Blob, Timestamp};

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
                sequence: time,
                attributes: Attributes {
                    etag: "9e107d9d372bb6826bd81d3542a419d6".into(),
                    headers,
                    metadata,
                    tags: vec![("a".into(), "1".into())],
                    acl: public.then(Acl::default),
                    owner: public.then(|| "another".into()),
                    checksum: public.then(|| Checksum {
                        algorithm: ChecksumAlgorithm::Crc64Nvme,
                        value: "AAAAAAAAAAA=".into(),
                        kind: ChecksumKind::FullObject,
                    }),
                },
                upload: public.then(|| UploadId("0f".repeat(16))),
                parts: Vec::new(),
                blob: Blob::Inline(
                    slices
                        .into_iter()
                        .map(|(span, offset, length)| SpanSlice {
                            span: SpanId(span),
                            offset,
                            length,
                        })
                        .collect(),
                ),
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
            let _ = slices_end(&bytes);
            let _ = Doomed::from_key(&bytes);
        }

        #[test]
        fn upload_keys_round_trip(key in "[^/]{1,100}", id in "u[0-9a-f]{32}") {
            let key = Key::new(key).unwrap();
            let upload = UploadId(id);
            let row = upload_key(&key, &upload);
            prop_assert_eq!(split_upload_key(&row).unwrap(), (key.as_str().to_owned(), upload));
        }
    }

    #[test]
    fn doomed_keys_round_trip() {
        for doomed in [
            Doomed::Blob(BlobId(7)),
            Doomed::Upload(UploadId(format!("u{:032x}", 1))),
        ] {
            assert_eq!(Doomed::from_key(&doomed.key()), Ok(doomed));
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
