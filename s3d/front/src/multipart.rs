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
use super::checksum;
use super::completion::{check_repeated, finished, named_parts};
use super::conditions::of_write;
use super::context::RequestContext;
use super::error;
use super::ingest::{Claims, ingest};
use super::operations::Operations;
use super::upload::{MultipartError, kind, number, upload_id};
use super::writing::payload;

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
        let attributes = self.new_attributes(&request, &key).await?;
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
        let condition = of_write(&RequestContext::of(&request)?.headers.condition);
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
            check_upload(&request, "AbortMultipartUpload", &key, &state.upload)?;
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
