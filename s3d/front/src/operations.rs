//! The operations that are built, by S3's names. s3s answers NotImplemented to all others.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use s3d_accounts::Accounts;
use s3d_bucket::Bucket;
use s3d_buckets::{BucketRecord, Buckets, OpenBucketError};
use s3s::region::Region;
use s3s::{S3, S3Request, S3Response, S3Result, dto};

use super::access::bucket;
use super::elsewhere::Elsewhere;
use super::error;
use super::hashing::Hashers;

/// The operations.
#[derive(Clone)]
pub struct Operations {
    pub(super) accounts: Arc<Accounts>,
    pub(super) buckets: Arc<Buckets>,
    pub(super) hashers: Hashers,
    /// What clients are told; they may sign for any.
    pub(super) region: Region,
    /// Reads what is copied from buckets of other nodes, if there are some.
    pub(super) elsewhere: Arc<OnceLock<Arc<dyn Elsewhere>>>,
}

impl Operations {
    /// Opens the bucket that a request is about.
    pub(super) async fn open<T: Sync>(&self, request: &S3Request<T>) -> S3Result<Arc<Bucket>> {
        let open = self.buckets.open(bucket(request)?).await;
        open.map_err(error::open)
    }

    /// Who reads from buckets of other nodes.
    pub(super) fn elsewhere(&self) -> S3Result<&Arc<dyn Elsewhere>> {
        let nobody = || error::open(OpenBucketError::Unavailable("its node is unknown".into()));
        self.elsewhere.get().ok_or_else(nobody)
    }

    /// Changes what is set on the bucket that a request is about.
    pub(super) async fn configure<T: Sync>(
        &self,
        request: &S3Request<T>,
        change: impl Fn(&mut BucketRecord) + Send + Sync,
    ) -> S3Result<()> {
        let configured = self.buckets.configure(bucket(request)?, change).await;
        configured.map_err(error::configure)
    }
}

/// Each line: the operation, what it takes and gives, and the method here that does it. One that
/// `waits` takes the request over, one that `looks` needs the rack, a `fixed` one the bucket alone.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident: $($method:ident)+;)*) => {
        #[async_trait]
        impl S3 for Operations {
            $(async fn $name(
                &self,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                operations!(@do self request $($method)+)
            })*
        }
    };
    (@do $self:ident $request:ident waits $method:ident) => { $self.$method($request).await };
    (@do $self:ident $request:ident looks $method:ident) => { $self.$method(&$request) };
    (@do $self:ident $request:ident fixed $method:ident) => { Self::$method(&$request) };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput: waits buckets;
    create_bucket(CreateBucketInput) -> CreateBucketOutput: waits create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput: waits delete_whole;
    head_bucket(HeadBucketInput) -> HeadBucketOutput: looks head;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput: looks location;

    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput: fixed bucket_acl;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput: waits set_bucket_acl;
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput: fixed policy;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput: waits set_policy;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput: waits delete_policy;
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput:
        fixed policy_status;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput: fixed cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput: waits set_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput: waits delete_cors;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput: fixed bucket_tags;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput: waits set_bucket_tags;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput:
        waits delete_bucket_tags;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput: fixed ownership;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput)
        -> PutBucketOwnershipControlsOutput: waits set_ownership;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput: waits delete_ownership;
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput:
        fixed public_access_block;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput:
        waits set_public_access_block;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput:
        waits delete_public_access_block;

    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput: fixed lifecycle;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput:
        fixed delete_lifecycle;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput: fixed encryption;
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput:
        fixed delete_encryption;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput: fixed website;
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput:
        fixed delete_website;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput:
        fixed replication;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput:
        fixed delete_replication;
    get_object_lock_configuration(GetObjectLockConfigurationInput)
        -> GetObjectLockConfigurationOutput: fixed object_lock;
    put_object_lock_configuration(PutObjectLockConfigurationInput)
        -> PutObjectLockConfigurationOutput: fixed set_object_lock;
    get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput: fixed retention;
    put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput: fixed set_retention;
    get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput: fixed legal_hold;
    put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput: fixed set_legal_hold;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput: fixed acceleration;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput: fixed logging;
    put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput: fixed set_logging;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput: fixed notification;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput)
        -> PutBucketNotificationConfigurationOutput: fixed set_notification;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput: fixed versioning;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput:
        fixed set_versioning;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput:
        fixed request_payment;
    put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput:
        fixed set_request_payment;
    list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput)
        -> ListBucketAnalyticsConfigurationsOutput: fixed analytics;
    list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput)
        -> ListBucketInventoryConfigurationsOutput: fixed inventories;
    list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput)
        -> ListBucketMetricsConfigurationsOutput: fixed metrics;
    list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput)
        -> ListBucketIntelligentTieringConfigurationsOutput: fixed tiering;

    put_object(PutObjectInput) -> PutObjectOutput: waits put;
    copy_object(CopyObjectInput) -> CopyObjectOutput: waits copy;
    get_object(GetObjectInput) -> GetObjectOutput: waits read_object;
    head_object(HeadObjectInput) -> HeadObjectOutput: waits read_head;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput:
        waits object_attributes;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput: waits object_acl;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput: waits set_object_acl;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput: waits object_tags;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput: waits set_object_tags;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput:
        waits delete_object_tags;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput: waits delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput: waits delete_many;
    list_objects(ListObjectsInput) -> ListObjectsOutput: waits list_v1;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output: waits list_v2;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput: waits versions;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput:
        waits begin_upload;
    upload_part(UploadPartInput) -> UploadPartOutput: waits store_part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput: waits copy_part;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput:
        waits complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput: waits abort;
    list_parts(ListPartsInput) -> ListPartsOutput: waits parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput:
        waits uploads;
}
