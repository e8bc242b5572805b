//! A bucket's tags.

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput,
    GetBucketTaggingOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::operations::Operations;
use super::tags;
use super::unset::Unset;

impl Operations {
    /// The tags.
    pub(super) fn bucket_tags(
        request: &S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = &bucket(request)?.settings.tags;
        if tags.is_empty() {
            return Err(Unset::Tags.into());
        }
        let tag_set = tags::set(tags);
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set }))
    }

    /// Sets all of them.
    pub(super) async fn set_bucket_tags(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let tags = tags::of_document(&request.input.tagging, tags::OF_A_BUCKET)?;
        self.configure(&request, |record| {
            record.settings.tags.clone_from(&tags);
        })
        .await?;
        Ok(S3Response::new(PutBucketTaggingOutput {}))
    }

    /// Removes all of them.
    pub(super) async fn delete_bucket_tags(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.configure(&request, |record| record.settings.tags.clear())
            .await?;
        Ok(S3Response::new(DeleteBucketTaggingOutput {}))
    }
}
