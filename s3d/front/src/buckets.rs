//! Operations on buckets, and what ACLs show.

use s3d_bucket::{CannedAcl, Key};
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketAclInput, GetBucketAclOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectAclInput, GetObjectAclOutput, Grant, Grantee,
    HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner, Permission,
    PutBucketAclInput, PutBucketAclOutput, Type,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::{bucket, caller, covers};
use super::attributes::{self, timestamp};
use super::error::{self, Refusal};
use super::operations::Operations;
use super::token;
use s3d_names::BucketName;

/// Most buckets of a page.
const MAX_BUCKETS: usize = 10_000;

fn owner(namespace: &str) -> Owner {
    Owner {
        display_name: Some(namespace.to_owned()),
        id: Some(namespace.to_owned()),
    }
}

/// The grants of what only its namespace may use, or anyone may read, too.
fn grants(is_public: bool, namespace: &str) -> Vec<Grant> {
    let grant = |grantee, permission| Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(permission)),
    };
    let user = Grantee {
        display_name: Some(namespace.to_owned()),
        email_address: None,
        id: Some(namespace.to_owned()),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    let anyone = Grantee {
        display_name: None,
        email_address: None,
        id: None,
        type_: Type::from_static(Type::GROUP),
        uri: Some("http://acs.amazonaws.com/groups/global/AllUsers".to_owned()),
    };
    let mut grants = vec![grant(user, Permission::FULL_CONTROL)];
    if is_public {
        grants.push(grant(anyone, Permission::READ));
    }
    grants
}

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
            owner: Some(owner(key.namespace.as_str())),
            prefix: input.prefix.clone(),
        }))
    }

    /// Creates a bucket in the namespace of the caller's key.
    pub(super) async fn create(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let acl = attributes::acl(&request.headers)?;
        let key = caller(&request)?.key.clone().ok_or(Refusal::Denied)?;
        let name = BucketName::new(request.input.bucket.as_str()).map_err(error::bucket_name)?;
        self.buckets
            .create(&key.namespace, &name, acl)
            .await
            .map_err(error::create)?;
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(format!("/{name}")),
        }))
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
        let named = self.region.as_str() != "us-east-1";
        let region = named.then(|| BucketLocationConstraint::from(self.region.as_str().to_owned()));
        Ok(S3Response::new(GetBucketLocationOutput {
            location_constraint: region,
        }))
    }

    /// Who may list a bucket.
    pub(super) fn bucket_acl(
        request: &S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let bucket = bucket(request)?;
        Ok(S3Response::new(GetBucketAclOutput {
            grants: Some(grants(
                bucket.acl == CannedAcl::PublicRead,
                bucket.namespace.as_str(),
            )),
            owner: Some(owner(bucket.namespace.as_str())),
        }))
    }

    /// Sets who may list a bucket.
    pub(super) async fn set_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        if request.input.access_control_policy.is_some() || request.input.acl.is_none() {
            return Err(Refusal::NotBuilt("set an ACL with the header x-amz-acl alone").into());
        }
        let acl = attributes::acl(&request.headers)?;
        self.buckets
            .set_acl(bucket(&request)?, acl)
            .await
            .map_err(error::set_acl)?;
        Ok(S3Response::new(PutBucketAclOutput {}))
    }

    /// Who may read an object.
    pub(super) async fn object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let bucket = bucket(&request)?;
        let key = Key::new(request.input.key.as_str()).map_err(error::key)?;
        let open = self.buckets.open(bucket).await.map_err(error::open)?;
        let found = open
            .find(&key)
            .await
            .map_err(|refusal| error::read(&refusal))?;
        let object = found.ok_or(Refusal::NoSuchKey)?;
        let is_public = attributes::is_public(&object.attributes);
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(grants(is_public, bucket.namespace.as_str())),
            owner: Some(owner(bucket.namespace.as_str())),
            request_charged: None,
        }))
    }
}
