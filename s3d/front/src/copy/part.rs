//! UploadPartCopy.

use std::ops::Range;

use s3d_bucket::{ChecksumAlgorithm, Key, Part, PartAttributes, PartName};
use s3d_md5::Md5;
use s3s::dto::{CopyPartResult, ETag, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::source::{Source, range};
use crate::access::bucket;
use crate::attributes::timestamp;
use crate::error;
use crate::operations::Operations;
use crate::signature::key::hex;
use crate::upload::{MultipartError, number, upload_id};

impl Operations {
    /// Makes a part of an object, or of a range of it.
    pub(crate) async fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let (id, number) = (upload_id(&input.upload_id)?, number(input.part_number)?);
        let source = self.source(&request, &input.copy_source).await?;
        let range = range(input.copy_source_range.as_deref(), source.object.size)?;
        let open = self.open(&request).await?;
        let state = open.upload(&key, &id).await;
        let state = state.map_err(|refusal| error::read(&refusal))?;
        let state = state.ok_or(MultipartError::NoSuchUpload)?;
        let algorithm = state.upload.checksum.map(|(algorithm, _)| algorithm);
        let stored = if source.record.id == bucket(&request)?.id {
            let attributes = self.part_attributes(&source, &range, algorithm).await?;
            let part = PartName {
                key,
                upload: id,
                number,
            };
            open.copy_part(source.seen(), Some(range), part, attributes)
                .await
        } else {
            let taken = self.transfer(&source, range, &open, algorithm).await?;
            open.put_part(key, id, number, taken.etag, taken.checksum, taken.body)
                .await
        };
        let stored = stored.map_err(|refusal| error::change(&refusal))?;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result(stored)),
            ..UploadPartCopyOutput::default()
        }))
    }
}

impl Operations {
    /// The ETag and the checksum of a part that moves no bytes. They are read only if the upload
    /// asks for a checksum: else the ETag is the source's, or names the range of it.
    async fn part_attributes(
        &self,
        source: &Source,
        range: &Range<u64>,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> S3Result<PartAttributes> {
        if algorithm.is_some() {
            let digest = self.digest(source, range.clone(), algorithm).await?;
            let (etag, checksum) = (digest.etag, digest.checksum);
            return Ok(PartAttributes { etag, checksum });
        }
        let object = &source.object;
        let of_source = &object.attributes.etag;
        let whole = *range == (0..object.size) && !of_source.contains('-');
        let etag = if whole {
            of_source.clone()
        } else {
            etag_of_range(object.sequence, of_source, range)
        };
        let checksum = None;
        Ok(PartAttributes { etag, checksum })
    }
}

/// An ETag for bytes that nobody reads: the MD5 of what names them.
fn etag_of_range(sequence: u64, etag: &str, range: &Range<u64>) -> String {
    let name = format!("{sequence} {etag} {}-{}", range.start, range.end);
    let mut md5 = Md5::new();
    md5.update(name.as_bytes());
    hex(&md5.finish())
}

fn result(part: Part) -> CopyPartResult {
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified)),
        ..CopyPartResult::default()
    };
    let Some(checksum) = part.checksum else {
        return result;
    };
    let field = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => &mut result.checksum_crc32,
        ChecksumAlgorithm::Crc32c => &mut result.checksum_crc32c,
        ChecksumAlgorithm::Crc64Nvme => &mut result.checksum_crc64nvme,
        ChecksumAlgorithm::Sha1 => &mut result.checksum_sha1,
        ChecksumAlgorithm::Sha256 => &mut result.checksum_sha256,
    };
    *field = Some(checksum.value);
    result
}
