//! Multipart uploads.

use s3d_bucket::{
    Attributes, Bucket, ChecksumAlgorithm, ChecksumKind, Completion, Key, NamedPart, Timestamp,
    Upload, UploadId,
};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::{bucket, caller, check_upload};
use super::attributes;
use super::checksum::{self, CombineError};
use super::completion::{check_repeated, finished, named_parts};
use super::conditions::write_condition;
use super::error;
use super::ingest::{Claims, ingest};
use super::operations::Operations;
use super::writing::payload;

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

/// The checksum that an upload asks for.
fn upload_checksum(
    input: &CreateMultipartUploadInput,
) -> S3Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let asked = input
        .checksum_type
        .as_ref()
        .map(|it| kind(it.as_str()))
        .transpose()?;
    let Some(algorithm) = &input.checksum_algorithm else {
        return if asked.is_some() {
            Err(MultipartError::Kind.into())
        } else {
            Ok(None)
        };
    };
    let algorithm = checksum::of_name(algorithm.as_str())
        .ok_or(super::ingest::IngestError::UnknownAlgorithm)?;
    let kind = checksum::kind_of_upload(algorithm, asked).ok_or(MultipartError::Kind)?;
    Ok(Some((algorithm, kind)))
}

impl Operations {
    /// Begins an upload.
    pub(super) async fn begin_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let checksum = upload_checksum(input)?;
        let attributes = self.new_attributes(&request).await?;
        let open = self.open(&request).await?;
        // The bucket sets the time.
        let upload = Upload {
            initiated: Timestamp::default(),
            attributes,
            checksum,
        };
        let id = open.create_upload(key, upload).await;
        let id = id.map_err(|refusal| error::change(&refusal))?;
        let named = |name: &'static str| name.to_owned();
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id.0),
            checksum_algorithm: checksum.map(|(it, _)| named(checksum::name(it)).into()),
            checksum_type: checksum.map(|(_, it)| named(checksum::kind_name(it)).into()),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    /// Stores a part.
    pub(super) async fn store_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let (id, number) = (upload_id(&input.upload_id)?, number(input.part_number)?);
        let claims = Claims::read(&request.headers)?;
        let payload = payload(&request)?;
        let open = self.open(&request).await?;
        let taken = ingest(&open, &self.hashers, payload, claims).await?;
        let (etag, checksum) = (taken.etag.clone(), taken.checksum.clone());
        let stored = open
            .put_part(key, id, number, taken.etag, taken.checksum, taken.body)
            .await;
        stored.map_err(|refusal| error::change(&refusal))?;
        let e_tag = Some(ETag::Strong(etag));
        let output = UploadPartOutput {
            e_tag,
            ..UploadPartOutput::default()
        };
        let mut response = S3Response::new(output);
        if let Some(checksum) = &checksum {
            attributes::write_checksum(&mut response.headers, checksum);
            response.headers.remove("x-amz-checksum-type");
        }
        Ok(response)
    }

    /// Makes an object of an upload's parts.
    pub(super) async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let id = upload_id(&input.upload_id)?;
        let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = input
            .multipart_upload
            .as_ref()
            .and_then(|it| it.parts.as_deref());
        let named = named_parts(named.unwrap_or_default())?;
        let open = self.open(&request).await?;
        let state = open
            .upload(&key, &id)
            .await
            .map_err(|refusal| error::read(&refusal))?;
        let Some(state) = state else {
            let attributes = completed_before(&open, &key, &id, &named, input).await?;
            return Ok(S3Response::new(completed(input, attributes)));
        };
        let attributes = finished(&state, &named, input)?;
        let completion = Completion {
            parts: named,
            attributes,
        };
        let stored = open.complete_upload(key, id, completion, condition).await;
        let stored = stored.map_err(|refusal| error::change(&refusal))?.object;
        Ok(S3Response::new(completed(input, stored.attributes)))
    }

    /// Forgets an upload.
    pub(super) async fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let id = upload_id(&input.upload_id)?;
        let open = self.open(&request).await?;
        if !caller(&request)?.owns(bucket(&request)?) {
            let found = open.upload(&key, &id).await;
            let state = found.map_err(|refusal| error::read(&refusal))?;
            let state = state.ok_or(MultipartError::NoSuchUpload)?;
            check_upload(&request, &state.upload)?;
        }
        open.abort_upload(key, id)
            .await
            .map_err(|refusal| error::change(&refusal))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// The attributes of the object that this very completion made before, if it is still there.
async fn completed_before(
    open: &Bucket,
    key: &Key,
    id: &UploadId,
    named: &[NamedPart],
    input: &CompleteMultipartUploadInput,
) -> S3Result<Attributes> {
    let found = open.find(key).await;
    let found = found.map_err(|refusal| error::read(&refusal))?;
    let object = found.filter(|object| object.upload.as_ref() == Some(id));
    let object = object.ok_or(MultipartError::NoSuchUpload)?;
    check_repeated(&object, named, input)?;
    Ok(object.attributes.clone())
}

fn completed(
    input: &CompleteMultipartUploadInput,
    attributes: Attributes,
) -> CompleteMultipartUploadOutput {
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        e_tag: Some(ETag::Strong(attributes.etag)),
        ..CompleteMultipartUploadOutput::default()
    };
    if let Some(checksum) = attributes.checksum {
        output.checksum_type = Some(checksum::kind_name(checksum.kind).to_owned().into());
        *output_field(&mut output, checksum.algorithm) = Some(checksum.value);
    }
    output
}

fn output_field(
    output: &mut CompleteMultipartUploadOutput,
    algorithm: ChecksumAlgorithm,
) -> &mut Option<String> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => &mut output.checksum_crc32,
        ChecksumAlgorithm::Crc32c => &mut output.checksum_crc32c,
        ChecksumAlgorithm::Crc64Nvme => &mut output.checksum_crc64nvme,
        ChecksumAlgorithm::Sha1 => &mut output.checksum_sha1,
        ChecksumAlgorithm::Sha256 => &mut output.checksum_sha256,
    }
}
