//! An object's tags.

use s3d_bucket::{AttributeChange, Condition, Key};
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::operations::Operations;
use super::tags::{self, Tags};
use super::{access, error, versions};

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
        // Access was checked: the tags are the bucket owner's, whatever the object's ACL says.
        let object = access::find_own(&open, &key).await?;
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
        self.tag(&request, &input.key, tags).await?;
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
        self.tag(&request, &input.key, Tags::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput {
            version_id: input.version_id.clone(),
        }))
    }

    async fn tag<T: Sync>(&self, request: &S3Request<T>, key: &str, tags: Tags) -> S3Result<()> {
        let key = Key::new(key).map_err(error::key)?;
        let open = self.open(request).await?;
        let changed = open
            .change_attributes(key, AttributeChange::Tags(tags), Condition::default())
            .await;
        changed.map_err(|refusal| error::change(&refusal))?;
        Ok(())
    }
}
