//! An object's tags.

use s3d_bucket::{AttributeChange, Condition, Key};
use s3d_policy::Policy;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::{self, ObjectUse};
use super::operations::Operations;
use super::tags::{self, Tags};
use super::{error, versions};

impl Operations {
    /// The tags.
    pub(super) async fn object_tags(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = &request.input;
        versions::check(input.version_id.as_deref())?;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let open = self.open(&request).await?;
        let object = access::find(&open, &request, &key, ObjectUse::READ_TAGS).await?;
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set: tags::set(&object.attributes.tags),
            version_id: input.version_id.clone(),
        }))
    }

    /// Sets all of them.
    pub(super) async fn set_object_tags(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let input = &request.input;
        versions::check(input.version_id.as_deref())?;
        let tags = tags::of_document(&input.tagging, tags::OF_AN_OBJECT)?;
        self.tag(&request, &input.key, tags, ObjectUse::WRITE_TAGS)
            .await?;
        Ok(S3Response::new(PutObjectTaggingOutput {
            version_id: input.version_id.clone(),
        }))
    }

    /// Removes all of them.
    pub(super) async fn delete_object_tags(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let input = &request.input;
        versions::check(input.version_id.as_deref())?;
        self.tag(&request, &input.key, Tags::new(), ObjectUse::DELETE_TAGS)
            .await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput {
            version_id: input.version_id.clone(),
        }))
    }

    async fn tag<T: Sync>(
        &self,
        request: &S3Request<T>,
        key: &str,
        tags: Tags,
        wanted: ObjectUse,
    ) -> S3Result<()> {
        let key = Key::new(key).map_err(error::key)?;
        let open = self.open(request).await?;
        let object = access::find(&open, request, &key, wanted).await?;
        let policy = access::bucket(request)?.settings.policy.as_ref();
        // What was allowed because of the tags must not happen to other tags.
        let condition = if policy.is_some_and(Policy::looks_at_tags) {
            Condition::seen(&object)
        } else {
            Condition::default()
        };
        let changed = open
            .change_attributes(key, AttributeChange::Tags(tags), condition)
            .await;
        changed.map_err(|refusal| error::change(&refusal))?;
        Ok(())
    }
}
