//! A bucket's ownership controls and its public access block.

use s3d_buckets::{Ownership, PublicAccessBlock};
use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput, PutPublicAccessBlockInput,
    PutPublicAccessBlockOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::operations::Operations;
use super::refusal::Refusal;
use super::unset::Unset;

/// The ownership of S3's name.
pub fn ownership(name: &ObjectOwnership) -> Result<Ownership, Refusal> {
    match name.as_str() {
        ObjectOwnership::BUCKET_OWNER_ENFORCED => Ok(Ownership::BucketOwnerEnforced),
        ObjectOwnership::BUCKET_OWNER_PREFERRED => Ok(Ownership::BucketOwnerPreferred),
        ObjectOwnership::OBJECT_WRITER => Ok(Ownership::ObjectWriter),
        _ => Err(Refusal::Argument("that is none of S3's object ownerships")),
    }
}

fn ownership_name(ownership: Ownership) -> ObjectOwnership {
    ObjectOwnership::from_static(match ownership {
        Ownership::BucketOwnerEnforced => ObjectOwnership::BUCKET_OWNER_ENFORCED,
        Ownership::BucketOwnerPreferred => ObjectOwnership::BUCKET_OWNER_PREFERRED,
        Ownership::ObjectWriter => ObjectOwnership::OBJECT_WRITER,
    })
}

impl Operations {
    /// To whom objects belong.
    pub(super) fn ownership(
        request: &S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let set = bucket(request)?.settings.ownership;
        let object_ownership = ownership_name(set.ok_or(Unset::Ownership)?);
        let rules = vec![OwnershipControlsRule { object_ownership }];
        Ok(S3Response::new(GetBucketOwnershipControlsOutput {
            ownership_controls: Some(OwnershipControls { rules }),
        }))
    }

    /// Sets to whom objects belong. ACLs cannot be disabled while the bucket's grants something.
    pub(super) async fn set_ownership(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let [rule] = request.input.ownership_controls.rules.as_slice() else {
            return Err(Refusal::Document("ownership controls have exactly one rule").into());
        };
        let wanted = ownership(&rule.object_ownership)?;
        let bucket = bucket(&request)?;
        if wanted == Ownership::BucketOwnerEnforced && bucket.acl.is_some() {
            return Err(Refusal::GrantsInTheWay.into());
        }
        self.configure(&request, |record| record.settings.ownership = Some(wanted))
            .await?;
        Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
    }

    /// As if it had never been set.
    pub(super) async fn delete_ownership(
        &self,
        request: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
        self.configure(&request, |record| record.settings.ownership = None)
            .await?;
        Ok(S3Response::new(DeleteBucketOwnershipControlsOutput {}))
    }

    /// What ACLs may not make public.
    pub(super) fn public_access_block(
        request: &S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let set = bucket(request)?.settings.public_access_block;
        let block = set.ok_or(Unset::PublicAccessBlock)?;
        Ok(S3Response::new(GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(PublicAccessBlockConfiguration {
                block_public_acls: Some(block.block_public_acls),
                block_public_policy: Some(block.block_public_policy),
                ignore_public_acls: Some(block.ignore_public_acls),
                restrict_public_buckets: Some(block.restrict_public_buckets),
            }),
        }))
    }

    /// Sets all four switches; one that is not named is off.
    pub(super) async fn set_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let wanted = &request.input.public_access_block_configuration;
        let block = PublicAccessBlock {
            block_public_acls: wanted.block_public_acls.unwrap_or_default(),
            ignore_public_acls: wanted.ignore_public_acls.unwrap_or_default(),
            block_public_policy: wanted.block_public_policy.unwrap_or_default(),
            restrict_public_buckets: wanted.restrict_public_buckets.unwrap_or_default(),
        };
        self.configure(&request, |record| {
            record.settings.public_access_block = Some(block);
        })
        .await?;
        Ok(S3Response::new(PutPublicAccessBlockOutput {}))
    }

    /// As if it had never been set.
    pub(super) async fn delete_public_access_block(
        &self,
        request: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.configure(&request, |record| {
            record.settings.public_access_block = None;
        })
        .await?;
        Ok(S3Response::new(DeletePublicAccessBlockOutput {}))
    }
}
