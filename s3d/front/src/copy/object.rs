//! CopyObject.

use s3d_bucket::{Attributes, Checksum, ChecksumAlgorithm, CopyAttributes, Key, Object};
use s3s::dto::{
    self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, ETag, MetadataDirective,
    TaggingDirective,
};
use s3s::{S3Request, S3Response, S3Result};

use super::source::{CopyError, Source};
use crate::access::{ObjectUse, bucket, caller, may_use};
use crate::acl::Belonging;
use crate::attributes::{self, timestamp};
use crate::checksum;
use crate::conditions::of_write;
use crate::context::RequestContext;
use crate::error;
use crate::ingest::IngestError;
use crate::new_object::new_tags;
use crate::operations::Operations;
use crate::refusal::Refusal;
use crate::tags::Tags;

/// Whether the copy takes from the request, and not from the source, what a directive is about.
fn replaces(directive: Option<&str>) -> Result<bool, CopyError> {
    match directive {
        None | Some(MetadataDirective::COPY) => Ok(false),
        Some(MetadataDirective::REPLACE) => Ok(true),
        Some(_) => Err(CopyError::Directive),
    }
}

impl Operations {
    /// Makes an object of another one.
    pub(crate) async fn copy(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let metadata = input.metadata_directive.as_ref();
        let replaces_metadata = replaces(metadata.map(MetadataDirective::as_str))?;
        let tagging = input.tagging_directive.as_ref();
        let replaces_tags = replaces(tagging.map(TaggingDirective::as_str))?;
        let belonging = self.new_belonging(&request).await?;
        let source = self.source(&request, &input.copy_source).await?;
        let to_itself = source.key == key && source.record.id == bucket(&request)?.id;
        let changes = replaces_metadata || request.headers.contains_key("x-amz-storage-class");
        if to_itself && !changes {
            return Err(CopyError::ToItself.into());
        }
        let tags = if replaces_tags {
            new_tags(&request, &key)?
        } else {
            tags_of(&request, &source)?
        };
        let described = if replaces_metadata {
            attributes::read(&RequestContext::of(&request)?.headers)?
        } else {
            source.object.attributes.clone()
        };
        let asked = algorithm(input)?;
        let open = self.open(&request).await?;
        let Belonging { owner, acl } = belonging;
        let condition = of_write(&RequestContext::of(&request)?.headers.condition);
        let stored = if source.record.id == bucket(&request)?.id {
            let checksum = self.missing_checksum(&source, asked).await?;
            let attributes = CopyAttributes {
                etag: None,
                headers: Some(described.headers),
                metadata: Some(described.metadata),
                tags: Some(tags),
                acl,
                owner,
                checksum,
            };
            open.copy(source.seen(), key, attributes, condition).await
        } else {
            let bytes = 0..source.object.size;
            let kept = source.object.attributes.checksum.as_ref();
            let asked = asked.or(kept.map(|it| it.algorithm));
            let taken = self.transfer(&source, bytes, &open, asked).await?;
            let attributes = Attributes {
                etag: taken.etag,
                checksum: taken.checksum,
                owner,
                acl,
                tags,
                ..described
            };
            open.put(key, attributes, taken.body, condition).await
        };
        let stored = stored.map_err(|refusal| error::change(&refusal))?.object;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result(&stored)),
            ..CopyObjectOutput::default()
        }))
    }
}

impl Operations {
    /// The checksum that the request asks for and the source lacks, computed from its bytes.
    async fn missing_checksum(
        &self,
        source: &Source,
        asked: Option<ChecksumAlgorithm>,
    ) -> S3Result<Option<Checksum>> {
        let kept = source.object.attributes.checksum.as_ref();
        match asked {
            Some(asked) if kept.is_none_or(|kept| kept.algorithm != asked) => {
                let bytes = 0..source.object.size;
                let digest = self.digest(source, bytes, Some(asked)).await?;
                Ok(digest.checksum)
            }
            _ => Ok(None),
        }
    }
}

/// The tags that the source gives its copy, if the caller may read them.
fn tags_of<T>(request: &S3Request<T>, source: &Source) -> Result<Tags, Refusal> {
    let Source {
        record,
        key,
        object,
        ..
    } = source;
    let tags = &object.attributes.tags;
    let caller = caller(request)?;
    if tags.is_empty() || may_use(record, caller, key, object, ObjectUse::READ_TAGS) {
        Ok(tags.clone())
    } else {
        Err(Refusal::Denied)
    }
}

/// The checksum algorithm that the request names.
fn algorithm(input: &CopyObjectInput) -> Result<Option<ChecksumAlgorithm>, IngestError> {
    let named = input.checksum_algorithm.as_ref();
    let known = |name: &dto::ChecksumAlgorithm| {
        checksum::of_name(name.as_str()).ok_or(IngestError::UnknownAlgorithm)
    };
    named.map(known).transpose()
}

fn result(stored: &Object) -> CopyObjectResult {
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(stored.attributes.etag.clone())),
        last_modified: Some(timestamp(stored.modified)),
        ..CopyObjectResult::default()
    };
    let Some(checksum) = &stored.attributes.checksum else {
        return result;
    };
    result.checksum_type = Some(checksum::kind_name(checksum.kind).to_owned().into());
    let field = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => &mut result.checksum_crc32,
        ChecksumAlgorithm::Crc32c => &mut result.checksum_crc32c,
        ChecksumAlgorithm::Crc64Nvme => &mut result.checksum_crc64nvme,
        ChecksumAlgorithm::Sha1 => &mut result.checksum_sha1,
        ChecksumAlgorithm::Sha256 => &mut result.checksum_sha256,
    };
    *field = Some(checksum.value.clone());
    result
}
