//! What names an upload, its parts and its checksum, and why they are refused.

use s3d_bucket::{ChecksumKind, UploadId};

use super::checksum::{self, CombineError};

/// Highest number of a part.
const MAX_NUMBER: u16 = 10_000;

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// No such upload.
    #[error("the specified multipart upload does not exist: it may have been completed or aborted")]
    NoSuchUpload,
    /// No such part, or another one.
    #[error("part {0} was not uploaded, or its ETag or checksum is another")]
    InvalidPart(u16),
    /// The parts are not in ascending order.
    #[error("the parts must be listed in ascending order of their numbers")]
    Order,
    /// A part that is not the last is too small.
    #[error("part {number} has {size} bytes: every part but the last has at least 5 MiB")]
    TooSmall {
        /// The part's number.
        number: u16,
        /// Its length in bytes.
        size: u64,
    },
    /// No part was named.
    #[error("an upload is completed with at least one part")]
    NoParts,
    /// A part's number is out of range.
    #[error("the part number must be between 1 and 10,000")]
    PartNumber,
    /// The object's checksum is another.
    #[error("the checksum you specified is not that of the object")]
    Checksum,
    /// The object has another length.
    #[error("the parts have {size} bytes together, not what x-amz-mp-object-size says")]
    Size {
        /// Length of the parts together, in bytes.
        size: u64,
    },
    /// The checksum type does not fit the algorithm, or the upload.
    #[error("the checksum type does not fit the algorithm that the upload uses")]
    Kind,
    /// The checksums of the parts do not become one.
    #[error(transparent)]
    Combine(#[from] CombineError),
}

/// A part's number.
pub fn number(number: i32) -> Result<u16, MultipartError> {
    let number = u16::try_from(number)
        .ok()
        .filter(|number| (1..=MAX_NUMBER).contains(number));
    number.ok_or(MultipartError::PartNumber)
}

/// An upload id that a bucket may have given out.
pub fn upload_id(text: &str) -> Result<UploadId, MultipartError> {
    UploadId::parse(text).ok_or(MultipartError::NoSuchUpload)
}

/// The kind of checksum of S3's name.
pub fn kind(text: &str) -> Result<ChecksumKind, MultipartError> {
    [ChecksumKind::FullObject, ChecksumKind::Composite]
        .into_iter()
        .find(|kind| checksum::kind_name(*kind) == text)
        .ok_or(MultipartError::Kind)
}
