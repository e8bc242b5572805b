//! Buckets as a whole: listing, making, finding and deleting them.

use s3d_buckets::{CreateBucketError, Ownership, Settings};
use s3d_names::BucketName;
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::{bucket, caller, covers};
use super::acl;
use super::attributes::timestamp;
use super::error;
use super::operations::Operations;
use super::ownership::ownership;
use super::refusal::Refusal;
use super::token;

/// S3's oldest region, which differs from the others in some answers.
const FIRST_REGION: &str = "us-east-1";

/// Most buckets of a page.
const MAX_BUCKETS: usize = 10_000;

impl Operations {
    /// The buckets that the caller's key may touch.
    pub(super) async fn buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let input = &request.input;
        let key = caller(&request)?.key.clone().ok_or(Refusal::Denied)?;
        let after = input
            .continuation_token
            .as_deref()
            .filter(|token| !token.is_empty())
            .map(token::read)
            .transpose()?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let limit = match input.max_buckets {
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=MAX_BUCKETS).contains(limit)),
            None => Some(MAX_BUCKETS),
        };
        let limit = limit.ok_or(Refusal::Argument(
            "max-buckets must be between 1 and 10,000",
        ))?;
        let known = self
            .buckets
            .list(&key.namespace)
            .await
            .map_err(error::record)?;
        let mut rest = known.iter().filter(|bucket| {
            let name = bucket.name.as_str();
            let behind = after.as_ref().is_none_or(|after| name > after.as_str());
            covers(&key, bucket) && name.starts_with(prefix) && behind
        });
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let next = rest
            .next()
            .and(page.last())
            .map(|last| token::write(last.name.as_str()));
        let buckets = page.iter().map(|bucket| Bucket {
            bucket_region: None,
            creation_date: Some(timestamp(bucket.created)),
            name: Some(bucket.name.to_string()),
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            continuation_token: next,
            owner: Some(acl::owner(key.namespace.as_str())),
            prefix: input.prefix.clone(),
        }))
    }

    /// Creates a bucket in the namespace of the caller's key. In us-east-1 creating it again is no
    /// error, as on AWS.
    pub(super) async fn create(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let input = &request.input;
        let key = caller(&request)?.key.clone().ok_or(Refusal::Denied)?;
        let name = BucketName::new(input.bucket.as_str()).map_err(error::bucket_name)?;
        let constraint = input.create_bucket_configuration.as_ref();
        let constraint = constraint.and_then(|it| it.location_constraint.as_ref());
        self.check_location(constraint)?;
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(Refusal::NotBuilt("object lock is not implemented here").into());
        }
        let ownership = input.object_ownership.as_ref().map(ownership).transpose()?;
        let owner = key.namespace.as_str();
        let requested = acl::read_headers(&request.headers)?;
        let acl = self.resolve(requested).await?.acl(owner, owner);
        if ownership == Some(Ownership::BucketOwnerEnforced) && acl.is_some() {
            return Err(Refusal::GrantsInTheWay.into());
        }
        let settings = Settings {
            ownership,
            ..Settings::default()
        };
        match self
            .buckets
            .create(&key.namespace, &name, acl, settings)
            .await
        {
            Err(CreateBucketError::AlreadyYours) if self.region.as_str() == FIRST_REGION => {}
            created => drop(created.map_err(error::create)?),
        }
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(format!("/{name}")),
        }))
    }

    /// Whether a bucket may be made where a client wants it: here. S3's oldest region has no
    /// name, and clients that know no better name it all the same.
    fn check_location(&self, wanted: Option<&BucketLocationConstraint>) -> Result<(), Refusal> {
        let here = self.region.as_str();
        match wanted.map(BucketLocationConstraint::as_str) {
            None | Some("") => Ok(()),
            Some(named) if named == here => Ok(()),
            Some(named) => Err(Refusal::Location {
                named: named.to_owned(),
                here: here.to_owned(),
            }),
        }
    }

    /// Deletes an empty bucket.
    pub(super) async fn delete_whole(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.buckets
            .delete(bucket(&request)?, false)
            .await
            .map_err(error::delete)?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    /// Whether a bucket is there; access was checked.
    pub(super) fn head(
        &self,
        request: &S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        bucket(request)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(self.region.as_str().to_owned()),
            ..HeadBucketOutput::default()
        }))
    }

    /// Where a bucket is.
    pub(super) fn location(
        &self,
        request: &S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        bucket(request)?;
        // S3's oldest region has no name here.
        let named = self.region.as_str() != FIRST_REGION;
        let region = named.then(|| BucketLocationConstraint::from(self.region.as_str().to_owned()));
        Ok(S3Response::new(GetBucketLocationOutput {
            location_constraint: region,
        }))
    }
}
