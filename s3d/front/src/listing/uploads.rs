//! ListParts and ListMultipartUploads.

use s3d_bucket::{ChecksumAlgorithm, Key, Part, Upload, UploadPage};
use s3d_buckets::BucketRecord;
use s3s::dto::{
    CommonPrefix, ETag, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, Owner, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use super::{Names, limit};
use crate::access::{self, bucket};
use crate::acl;
use crate::attributes::timestamp;
use crate::checksum;
use crate::error;
use crate::operations::Operations;
use crate::upload::{MultipartError, upload_id};

impl Operations {
    /// A page of an upload's parts.
    pub(crate) async fn parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let (id, limit) = (upload_id(&input.upload_id)?, limit(input.max_parts)?);
        let marker = input.part_number_marker.unwrap_or_default();
        let open = self.open(&request).await?;
        let state = open
            .upload(&key, &id)
            .await
            .map_err(|refusal| error::read(&refusal))?;
        let state = state.ok_or(MultipartError::NoSuchUpload)?;
        access::check_upload(&request, "ListMultipartUploadParts", &key, &state.upload)?;
        let mut rest = state
            .parts
            .iter()
            .filter(|(number, _)| i32::from(*number) > marker);
        let parts: Vec<_> = rest
            .by_ref()
            .take(limit.unsigned_abs() as usize)
            .map(part_line)
            .collect();
        let more = limit > 0 && rest.next().is_some();
        let owner = owner_of(bucket(&request)?, &state.upload);
        let checksum = state.upload.checksum;
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket.clone()),
            checksum_algorithm: checksum.map(|(it, _)| checksum::name(it).to_owned().into()),
            checksum_type: checksum.map(|(_, it)| checksum::kind_name(it).to_owned().into()),
            is_truncated: Some(more),
            key: Some(input.key.clone()),
            max_parts: Some(limit),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            initiator: Some(initiator(owner.clone())),
            owner: Some(owner),
            part_number_marker: Some(marker),
            parts: Some(parts),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(id.0),
            ..ListPartsOutput::default()
        }))
    }

    /// A page of the uploads under way.
    pub(crate) async fn uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = &request.input;
        let (limit, names) = (
            limit(input.max_uploads)?,
            Names::of(input.encoding_type.as_ref())?,
        );
        let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = input.key_marker.clone().filter(|it| !it.is_empty());
        let id = input
            .upload_id_marker
            .as_deref()
            .filter(|it| !it.is_empty());
        let after = match (marker.clone(), id) {
            (Some(key), Some(id)) => Some((key, Some(upload_id(id)?))),
            (Some(key), None) => Some((key, None)),
            // Without a key, S3 passes over the id.
            (None, _) => None,
        };
        let open = self.open(&request).await?;
        let page = match limit {
            0 => UploadPage::default(),
            _ => open
                .list_uploads(
                    &prefix,
                    delimiter.as_deref(),
                    after,
                    limit.unsigned_abs() as usize,
                )
                .await
                .map_err(|refusal| error::read(&refusal))?,
        };
        let (next_key, next_id) = page.next.clone().unzip();
        let bucket = bucket(&request)?;
        let uploads = page
            .uploads
            .into_iter()
            .map(|(key, id, upload)| MultipartUpload {
                initiator: Some(initiator(owner_of(bucket, &upload))),
                checksum_algorithm: upload
                    .checksum
                    .map(|(it, _)| checksum::name(it).to_owned().into()),
                checksum_type: upload
                    .checksum
                    .map(|(_, it)| checksum::kind_name(it).to_owned().into()),
                initiated: Some(timestamp(upload.initiated)),
                key: Some(names.write(key.as_str())),
                owner: Some(owner_of(bucket, &upload)),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                upload_id: Some(id.0),
            });
        let prefixes = page.prefixes.iter();
        let prefixes = prefixes.map(|it| CommonPrefix {
            prefix: Some(names.write(it)),
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            common_prefixes: Some(prefixes.collect()),
            delimiter: delimiter.map(|it| names.write(&it)),
            encoding_type: input.encoding_type.clone(),
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(names.write(marker.as_deref().unwrap_or_default())),
            max_uploads: Some(limit),
            next_key_marker: next_key.map(|it| names.write(&it)),
            next_upload_id_marker: next_id.flatten().map(|it| it.0),
            prefix: Some(names.write(&prefix)),
            upload_id_marker: Some(input.upload_id_marker.clone().unwrap_or_default()),
            uploads: Some(uploads.collect()),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
/// To whom the object of an upload will belong.
fn owner_of(bucket: &BucketRecord, upload: &Upload) -> Owner {
    acl::owner(acl::object_owner(
        bucket,
        upload.attributes.owner.as_deref(),
    ))
}

/// The user who began an upload owns what comes of it.
fn initiator(owner: Owner) -> Initiator {
    Initiator {
        display_name: owner.display_name,
        id: owner.id,
    }
}

fn part_line((number, part): &(u16, Part)) -> s3s::dto::Part {
    let mut line = s3s::dto::Part {
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(timestamp(part.modified)),
        part_number: Some(i32::from(*number)),
        size: i64::try_from(part.size).ok(),
        ..s3s::dto::Part::default()
    };
    if let Some(checksum) = &part.checksum {
        let field = match checksum.algorithm {
            ChecksumAlgorithm::Crc32 => &mut line.checksum_crc32,
            ChecksumAlgorithm::Crc32c => &mut line.checksum_crc32c,
            ChecksumAlgorithm::Crc64Nvme => &mut line.checksum_crc64nvme,
            ChecksumAlgorithm::Sha1 => &mut line.checksum_sha1,
            ChecksumAlgorithm::Sha256 => &mut line.checksum_sha256,
        };
        *field = Some(checksum.value.clone());
    }
    line
}
