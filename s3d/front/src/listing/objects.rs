//! ListObjects and ListObjectsV2.

use s3d_bucket::{ListEntry, ListPage, ListRequest};
use s3d_buckets::BucketRecord;
use s3s::dto::{
    CommonPrefix, ETag, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};
use s3s::{S3Request, S3Response, S3Result};

use super::{Names, limit};
use crate::access::bucket;
use crate::acl::{object_owner, owner};
use crate::attributes::timestamp;
use crate::operations::Operations;
use crate::{checksum, error, token};

/// The lines of a page.
///
/// `bucket`: show to whom objects of this bucket belong.
pub fn lines(
    page: ListPage,
    names: Names,
    bucket: Option<&BucketRecord>,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let bucket = bucket.map(|bucket| (bucket, owner(bucket.namespace.as_str())));
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Prefix(prefix) => {
                prefixes.push(CommonPrefix {
                    prefix: Some(names.write(&prefix)),
                });
            }
            ListEntry::Object(key, object) => {
                let owner = bucket
                    .as_ref()
                    .map(|(bucket, owner)| owner_of(&object, bucket, owner));
                let checksum = object.attributes.checksum;
                let algorithm = checksum.as_ref().map(|it| checksum::name(it.algorithm));
                objects.push(Object {
                    checksum_algorithm: algorithm.map(|name| vec![name.to_owned().into()]),
                    checksum_type: checksum
                        .map(|it| checksum::kind_name(it.kind).to_owned().into()),
                    e_tag: Some(ETag::Strong(object.attributes.etag)),
                    key: Some(names.write(key.as_str())),
                    last_modified: Some(timestamp(object.modified)),
                    owner,
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

/// To whom an object belongs; mostly to `usual`, the owner of its bucket.
fn owner_of(object: &s3d_bucket::Object, bucket: &BucketRecord, usual: &Owner) -> Owner {
    match object.attributes.owner.as_deref() {
        Some(recorded) => owner(object_owner(bucket, Some(recorded))),
        None => usual.clone(),
    }
}

impl Operations {
    pub(crate) async fn page<T: Sync>(
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
    pub(crate) async fn list_v1(
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
        let (contents, common_prefixes) = lines(page, names, Some(bucket(&request)?));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket.clone()),
            prefix: Some(names.write_v1_prefix(input.prefix.as_deref().unwrap_or_default())),
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
    pub(crate) async fn list_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let (output, names, page) = self.read_v2(&request).await?;
        let owned = request.input.fetch_owner.unwrap_or_default();
        let (contents, common_prefixes) = lines(page, names, owned.then_some(&**bucket(&request)?));
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..output
        }))
    }

    /// The same, its lines not yet written.
    pub(super) async fn read_v2(
        &self,
        request: &S3Request<ListObjectsV2Input>,
    ) -> S3Result<(ListObjectsV2Output, Names, ListPage)> {
        let input = &request.input;
        let (limit, names) = (
            limit(input.max_keys)?,
            Names::of(input.encoding_type.as_ref())?,
        );
        let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
        let start_after = input.start_after.clone().filter(|it| !it.is_empty());
        let token = input.continuation_token.as_deref();
        let after = match token.filter(|it| !it.is_empty()) {
            Some(token) => Some(token::read(token)?),
            None => start_after.clone(),
        };
        let page = self.page(
            request,
            ListRequest {
                prefix: input.prefix.clone().unwrap_or_default(),
                delimiter: delimiter.clone(),
                after,
                limit: limit.unsigned_abs() as usize,
            },
        );
        let mut page = page.await?;
        let next = page.next.take();
        let output = ListObjectsV2Output {
            name: Some(bucket(request)?.name.as_str().to_owned()),
            prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
            max_keys: Some(limit),
            key_count: i32::try_from(page.entries.len()).ok(),
            continuation_token: input.continuation_token.clone(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next.map(|after| token::write(&after)),
            delimiter: delimiter.map(|it| names.write(&it)),
            encoding_type: input.encoding_type.clone(),
            start_after: start_after.map(|it| names.write(&it)),
            ..ListObjectsV2Output::default()
        };
        Ok((output, names, page))
    }
}
