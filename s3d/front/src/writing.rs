//! PutObject, DeleteObject and DeleteObjects.

use futures::StreamExt;
use s3d_bucket::{Attributes, Bucket, ChangeError, Condition, Key, Object};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ObjectIdentifier, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};

use super::access;
use super::appending::{AppendError, write_offset};
use super::attributes;
use super::conditions::{etag_is, of_write};
use super::context::{Content, RequestContext};
use super::error;
use super::ingest::{Claims, IngestedObject, ingest_object};
use super::operations::Operations;
use super::payload::Payload;
use super::request_body::RequestBody;
use super::versions;

/// Most keys in one DeleteObjects.
const MAX_DELETES: usize = 1000;

/// Deletes of one request that may wait at once: enough to fill a log group.
const DELETES_AT_ONCE: usize = 64;

/// The body of a put or a part, which came past s3s.
pub fn payload<T>(request: &S3Request<T>) -> S3Result<Payload> {
    let context = RequestContext::of(request)?;
    let body = match &context.body {
        Content::Bytes(body) => body.reader(),
        Content::Form { file, length } => return Ok(Payload::of_form(file.reader(), length)),
        Content::Nothing | Content::Document(_) => RequestBody::default().reader(),
    };
    let signature = context.signer.as_ref().and_then(|signer| {
        let seed = signer.seed.as_ref()?;
        Some((seed, signer.key.secret.as_str()))
    });
    Ok(Payload::new(body, &request.headers, signature)?)
}

/// The answer to a put that made this of an object.
pub fn answer(stored: &Object) -> S3Response<PutObjectOutput> {
    let etag = stored.attributes.etag.clone();
    let mut response = S3Response::new(PutObjectOutput {
        e_tag: Some(s3s::dto::ETag::Strong(etag)),
        ..PutObjectOutput::default()
    });
    if let Some(checksum) = &stored.attributes.checksum {
        attributes::write_checksum(&mut response.headers, checksum);
    }
    response
}

impl Operations {
    /// Stores an object.
    pub(super) async fn put(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        if let Some(offset) = write_offset(&request.headers)? {
            return self.append(request, offset).await;
        }
        let condition = of_write(&RequestContext::of(&request)?.headers.condition);
        let stored = self.put_new(&mut request, condition, false).await?;
        Ok(answer(&stored))
    }

    /// Stores what a request brings as an object of its own; `appends`: there must be some of it.
    pub(super) async fn put_new(
        &self,
        request: &mut S3Request<PutObjectInput>,
        condition: Condition,
        appends: bool,
    ) -> S3Result<Object> {
        let input = &mut request.input;
        let key = Key::new(std::mem::take(&mut input.key)).map_err(error::key)?;
        let attributes = self.new_attributes(request, &key).await?;
        let claims = Claims::read(&request.headers)?;
        let payload = payload(request)?;
        let open = self.open(request).await?;
        let taken = ingest_object(&open, &self.hashers, payload, claims).await?;
        if appends && taken.is_empty() {
            return Err(AppendError::Empty.into());
        }
        let stored = match taken {
            IngestedObject::Small { bytes, checksum } => {
                let attributes = Attributes {
                    checksum,
                    ..attributes
                };
                open.put_hashed(key, attributes, bytes, condition).await
            }
            IngestedObject::Whole(taken) => {
                let attributes = Attributes {
                    etag: taken.etag,
                    checksum: taken.checksum,
                    ..attributes
                };
                open.put(key, attributes, taken.body, condition).await
            }
        };
        Ok(stored.map_err(|refusal| error::change(&refusal))?.object)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(super) async fn delete(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let key = Key::new(request.input.key.as_str()).map_err(error::key)?;
        let input = &request.input;
        let condition = Condition {
            size: input
                .if_match_size
                .and_then(|size| u64::try_from(size).ok()),
            modified: input
                .if_match_last_modified_time
                .as_ref()
                .map(attributes::time),
            ..of_write(&RequestContext::of(&request)?.headers.condition)
        };
        if !versions::check_deleted(request.input.version_id.as_deref())? {
            return Ok(S3Response::new(deleted(&request.input)));
        }
        let open = self.open(&request).await?;
        delete_if(&open, key, condition).await?;
        Ok(S3Response::new(deleted(&request.input)))
    }

    /// Deletes many objects, each on its own.
    pub(super) async fn delete_many(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let wanted = &request.input.delete;
        if wanted.objects.is_empty() || wanted.objects.len() > MAX_DELETES {
            let sentence = "a request deletes between one and 1,000 objects";
            return Err(S3Error::with_message(
                s3s::S3ErrorCode::MalformedXML,
                sentence,
            ));
        }
        let open = self.open(&request).await?;
        let deletes: Vec<_> = wanted
            .objects
            .iter()
            .map(|it| delete_one(&open, &request, it))
            .collect();
        let deletes = futures::stream::iter(deletes).buffered(DELETES_AT_ONCE);
        let outcomes: Vec<_> = deletes.collect().await;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (object, outcome) in wanted.objects.iter().zip(outcomes) {
            match outcome {
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(object.key.clone()),
                    version_id: object.version_id.clone(),
                    ..DeletedObject::default()
                }),
                Err(refusal) => errors.push(s3s::dto::Error {
                    code: Some(refusal.code().as_str().to_owned()),
                    key: Some(object.key.clone()),
                    message: refusal.message().map(str::to_owned),
                    version_id: object.version_id.clone(),
                }),
            }
        }
        let quiet = wanted.quiet.unwrap_or_default();
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            request_charged: None,
        }))
    }
}

fn deleted(input: &DeleteObjectInput) -> DeleteObjectOutput {
    DeleteObjectOutput {
        version_id: input.version_id.clone(),
        ..DeleteObjectOutput::default()
    }
}

async fn delete_one<T: Sync>(
    open: &Bucket,
    request: &S3Request<T>,
    object: &ObjectIdentifier,
) -> S3Result<()> {
    access::check_delete(request, &object.key)?;
    if !versions::check_deleted(object.version_id.as_deref())? {
        return Ok(());
    }
    let key = Key::new(object.key.as_str()).map_err(error::key)?;
    let named = object.e_tag.as_ref();
    let condition = Condition {
        size: object.size.and_then(|size| u64::try_from(size).ok()),
        modified: object.last_modified_time.as_ref().map(attributes::time),
        ..named.map_or_else(Condition::default, etag_is)
    };
    delete_if(open, key, condition).await
}

/// An object that is not there is deleted already, whatever was asked of it.
async fn delete_if(open: &Bucket, key: Key, condition: Condition) -> S3Result<()> {
    match open.delete(key, condition).await {
        Ok(_) | Err(ChangeError::NoSuchKey) => Ok(()),
        Err(refusal) => Err(error::change(&refusal)),
    }
}
