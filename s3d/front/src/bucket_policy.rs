//! A bucket's policy, and whether the bucket is public.

use std::sync::atomic::{AtomicBool, Ordering};

use s3d_policy::Policy;
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, PolicyStatus, PutBucketPolicyInput,
    PutBucketPolicyOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::acl;
use super::error;
use super::operations::Operations;
use super::refusal::Refusal;
use super::unset::Unset;

impl Operations {
    /// The policy as it was set.
    pub(super) fn policy(
        request: &S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let policy = bucket(request)?.settings.policy.as_ref();
        let policy = policy.ok_or(Unset::Policy)?.text().to_owned();
        Ok(S3Response::new(GetBucketPolicyOutput {
            policy: Some(policy),
        }))
    }

    /// Sets the policy.
    pub(super) async fn set_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        let bucket = bucket(&request)?;
        let policy = Policy::new(request.input.policy.as_str());
        let policy = policy.map_err(|refusal| error::policy(&refusal))?;
        let own = policy.check_bucket(bucket.name.as_str());
        own.map_err(|refusal| error::policy(&refusal))?;
        // Evaluated on the record that is changed: whoever blocks public policies at the same moment
        // comes before or after.
        let refused = AtomicBool::new(false);
        self.configure(&request, |record| {
            let block = record.settings.public_access_block.unwrap_or_default();
            let refuse = block.block_public_policy && policy.is_public();
            refused.store(refuse, Ordering::Relaxed);
            if !refuse {
                record.settings.policy = Some(policy.clone());
            }
        })
        .await?;
        if refused.into_inner() {
            return Err(Refusal::PublicPolicy.into());
        }
        Ok(S3Response::new(PutBucketPolicyOutput {}))
    }

    /// As if it had never been set.
    pub(super) async fn delete_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        self.configure(&request, |record| record.settings.policy = None)
            .await?;
        Ok(S3Response::new(DeleteBucketPolicyOutput {}))
    }

    /// Whether the policy or the ACL of a bucket lets everyone do something.
    pub(super) fn policy_status(
        request: &S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        let bucket = bucket(request)?;
        let policy = bucket.settings.policy.as_ref();
        let is_public = policy.is_some_and(Policy::is_public) || acl::makes_public(bucket);
        Ok(S3Response::new(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus {
                is_public: Some(is_public),
            }),
        }))
    }
}
