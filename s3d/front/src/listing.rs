//! ListObjects, ListObjectsV2, ListParts and ListMultipartUploads.

use s3d_bucket::{ChecksumAlgorithm, Key, ListEntry, ListPage, ListRequest, Part, UploadPage};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput,
    ListPartsOutput, MultipartUpload, Object, ObjectStorageClass, Owner, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::attributes::timestamp;
use super::error::{self, Refusal};
use super::multipart::{MultipartError, upload_id};
use super::operations::Operations;
use super::{checksum, query, token};

/// Most lines of a page.
const MAX_LINES: i32 = 1000;

/// How many lines a page may have: what the client asks for, at most [`MAX_LINES`].
fn limit(asked: Option<i32>) -> Result<i32, Refusal> {
    match asked {
        Some(asked) if asked < 0 => Err(Refusal::Argument(
            "the number of lines of a page must not be negative",
        )),
        asked => Ok(asked.unwrap_or(MAX_LINES).min(MAX_LINES)),
    }
}

/// How names are written: as they are, or percent-encoded.
#[derive(Clone, Copy)]
struct Names {
    encoded: bool,
}

impl Names {
    fn of(encoding: Option<&EncodingType>) -> Result<Self, Refusal> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some(EncodingType::URL) => Ok(Self { encoded: true }),
            Some(_) => Err(Refusal::Argument("the encoding-type must be url")),
        }
    }

    fn write(self, name: &str) -> String {
        if self.encoded {
            query::encode(name)
        } else {
            name.to_owned()
        }
    }
}

fn owner(namespace: &str) -> Owner {
    Owner {
        display_name: Some(namespace.to_owned()),
        id: Some(namespace.to_owned()),
    }
}

/// The lines of a page.
fn lines(page: ListPage, names: Names, owner: Option<&Owner>) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Prefix(prefix) => {
                prefixes.push(CommonPrefix {
                    prefix: Some(names.write(&prefix)),
                });
            }
            ListEntry::Object(key, object) => {
                let checksum = object.attributes.checksum;
                let algorithm = checksum.as_ref().map(|it| checksum::name(it.algorithm));
                objects.push(Object {
                    checksum_algorithm: algorithm.map(|name| vec![name.to_owned().into()]),
                    checksum_type: checksum
                        .map(|it| checksum::kind_name(it.kind).to_owned().into()),
                    e_tag: Some(ETag::Strong(object.attributes.etag)),
                    key: Some(names.write(key.as_str())),
                    last_modified: Some(timestamp(object.modified)),
                    owner: owner.cloned(),
                    size: i64::try_from(object.size).ok(),
                    storage_class: Some(ObjectStorageClass::from_static(
                        ObjectStorageClass::STANDARD,
                    )),
                    ..Object::default()
                });
            }
        }
    }
    (objects, prefixes)
}

impl Operations {
    async fn page<T: Sync>(
        &self,
        request: &S3Request<T>,
        wanted: ListRequest,
    ) -> S3Result<ListPage> {
        if wanted.limit == 0 {
            return Ok(ListPage::default());
        }
        let open = self.open(request).await?;
        open.list(wanted)
            .await
            .map_err(|refusal| error::read(&refusal))
    }

    /// A page of objects, version 1.
    pub(super) async fn list_v1(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = &request.input;
        let (limit, names) = (
            limit(input.max_keys)?,
            Names::of(input.encoding_type.as_ref())?,
        );
        let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
        let page = self.page(
            &request,
            ListRequest {
                prefix: input.prefix.clone().unwrap_or_default(),
                delimiter: delimiter.clone(),
                after: input.marker.clone().filter(|it| !it.is_empty()),
                limit: limit.unsigned_abs() as usize,
            },
        );
        let mut page = page.await?;
        let next = page.next.take();
        let owner = owner(bucket(&request)?.namespace.as_str());
        let (contents, common_prefixes) = lines(page, names, Some(&owner));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket.clone()),
            prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(names.write(input.marker.as_deref().unwrap_or_default())),
            max_keys: Some(limit),
            is_truncated: Some(next.is_some()),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: delimiter.map(|it| names.write(&it)),
            next_marker: next.map(|it| names.write(&it)),
            encoding_type: input.encoding_type.clone(),
            request_charged: None,
        }))
    }

    /// A page of objects, version 2.
    pub(super) async fn list_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = &request.input;
        let (limit, names) = (
            limit(input.max_keys)?,
            Names::of(input.encoding_type.as_ref())?,
        );
        let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
        let start_after = input.start_after.clone().filter(|it| !it.is_empty());
        let after = match &input.continuation_token {
            Some(token) => Some(token::read(token)?),
            None => start_after.clone(),
        };
        let page = self.page(
            &request,
            ListRequest {
                prefix: input.prefix.clone().unwrap_or_default(),
                delimiter: delimiter.clone(),
                after,
                limit: limit.unsigned_abs() as usize,
            },
        );
        let mut page = page.await?;
        let next = page.next.take();
        let owner = owner(bucket(&request)?.namespace.as_str());
        let owner = input.fetch_owner.unwrap_or_default().then_some(&owner);
        let count = i32::try_from(page.entries.len()).ok();
        let (contents, common_prefixes) = lines(page, names, owner);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket.clone()),
            prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
            max_keys: Some(limit),
            key_count: count,
            continuation_token: input.continuation_token.clone(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next.map(|after| token::write(&after)),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: delimiter.map(|it| names.write(&it)),
            encoding_type: input.encoding_type.clone(),
            start_after: start_after.map(|it| names.write(&it)),
            request_charged: None,
        }))
    }

    /// A page of an upload's parts.
    pub(super) async fn parts(
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
        let owner = owner(bucket(&request)?.namespace.as_str());
        let checksum = state.upload.checksum;
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket.clone()),
            checksum_algorithm: checksum.map(|(it, _)| checksum::name(it).to_owned().into()),
            checksum_type: checksum.map(|(_, it)| checksum::kind_name(it).to_owned().into()),
            is_truncated: Some(more),
            key: Some(input.key.clone()),
            max_parts: Some(limit),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            owner: Some(owner),
            part_number_marker: Some(marker),
            parts: Some(parts),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(id.0),
            ..ListPartsOutput::default()
        }))
    }

    /// A page of the uploads under way.
    pub(super) async fn uploads(
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
        let owner = owner(bucket(&request)?.namespace.as_str());
        let uploads = page
            .uploads
            .into_iter()
            .map(|(key, id, upload)| MultipartUpload {
                checksum_algorithm: upload
                    .checksum
                    .map(|(it, _)| checksum::name(it).to_owned().into()),
                checksum_type: upload
                    .checksum
                    .map(|(_, it)| checksum::kind_name(it).to_owned().into()),
                initiated: Some(timestamp(upload.initiated)),
                key: Some(names.write(key.as_str())),
                owner: Some(owner.clone()),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                upload_id: Some(id.0),
                ..MultipartUpload::default()
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
            upload_id_marker: input.upload_id_marker.clone(),
            uploads: Some(uploads.collect()),
            ..ListMultipartUploadsOutput::default()
        }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_limited() {
        assert_eq!(limit(None), Ok(1000));
        assert_eq!(limit(Some(5000)), Ok(1000));
        assert_eq!(limit(Some(0)), Ok(0));
        assert!(limit(Some(-1)).is_err());
    }
}
