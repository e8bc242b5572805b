//! Settings of AWS's buckets that cannot be set here: what AWS answers when they were never set.
//! Setting them to what they are is accepted, and so is deleting them.

use s3s::dto::{
    BucketVersioningStatus, DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput,
    DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketReplicationInput,
    DeleteBucketReplicationOutput, DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput,
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput,
    GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLoggingInput, GetBucketLoggingOutput,
    GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput, GetBucketVersioningInput, GetBucketVersioningOutput,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectLegalHoldInput,
    GetObjectLegalHoldOutput, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput,
    GetObjectRetentionInput, GetObjectRetentionOutput, ListBucketAnalyticsConfigurationsInput,
    ListBucketAnalyticsConfigurationsOutput, ListBucketIntelligentTieringConfigurationsInput,
    ListBucketIntelligentTieringConfigurationsOutput, ListBucketInventoryConfigurationsInput,
    ListBucketInventoryConfigurationsOutput, ListBucketMetricsConfigurationsInput,
    ListBucketMetricsConfigurationsOutput, NotificationConfiguration, Payer, PutBucketLoggingInput,
    PutBucketLoggingOutput, PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput, PutBucketRequestPaymentInput,
    PutBucketRequestPaymentOutput, PutBucketVersioningInput, PutBucketVersioningOutput,
    PutObjectLegalHoldInput, PutObjectLegalHoldOutput, PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput, PutObjectRetentionInput, PutObjectRetentionOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::operations::Operations;
use super::refusal::Refusal;

/// What AWS calls missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unset {
    /// The bucket's policy.
    #[error("the bucket policy does not exist")]
    Policy,
    /// The rules by which objects expire.
    #[error("the lifecycle configuration does not exist")]
    Lifecycle,
    /// The encryption that new objects get.
    #[error("the server side encryption configuration was not found")]
    Encryption,
    /// The bucket as a website.
    #[error("the specified bucket does not have a website configuration")]
    Website,
    /// Replication to other buckets.
    #[error("the replication configuration was not found")]
    Replication,
    /// Object lock.
    #[error("object lock configuration does not exist for this bucket")]
    ObjectLock,
    /// Retention or legal hold of an object in a bucket without object lock.
    #[error("bucket is missing object lock configuration")]
    Retention,
    /// Versioning, which object lock needs.
    #[error("versioning must be enabled on the bucket to apply an object lock configuration")]
    Versioning,
    /// Tags of a bucket.
    #[error("the tag set does not exist")]
    Tags,
    /// CORS rules.
    #[error("the CORS configuration does not exist")]
    Cors,
    /// Ownership controls.
    #[error("the bucket ownership controls were not found")]
    Ownership,
    /// The public access block.
    #[error("the public access block configuration was not found")]
    PublicAccessBlock,
}

type Answer<O> = S3Result<S3Response<O>>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "the answers of operations are results"
)]
fn empty<O: Default>() -> Answer<O> {
    Ok(S3Response::new(O::default()))
}

/// Each of these answers what holds for every bucket; access was checked.
macro_rules! answers {
    ($($name:ident($input:ident) -> $output:ident = $answer:expr;)*) => {
        impl Operations {
            $(#[allow(clippy::unnecessary_wraps, reason = "as above; some do refuse")]
            pub(super) fn $name(_: &S3Request<$input>) -> Answer<$output> {
                $answer
            })*
        }
    };
}

answers! {
    lifecycle(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput =
        Err(Unset::Lifecycle.into());
    delete_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = empty();
    encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput =
        Err(Unset::Encryption.into());
    delete_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = empty();
    website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = Err(Unset::Website.into());
    delete_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = empty();
    replication(GetBucketReplicationInput) -> GetBucketReplicationOutput =
        Err(Unset::Replication.into());
    delete_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = empty();
    object_lock(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput =
        Err(Unset::ObjectLock.into());
    retention(GetObjectRetentionInput) -> GetObjectRetentionOutput = Err(Unset::Retention.into());
    legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput = Err(Unset::Retention.into());
    set_object_lock(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput =
        Err(Unset::Versioning.into());
    set_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput =
        Err(Unset::Retention.into());
    set_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput =
        Err(Unset::Retention.into());
    acceleration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput =
        empty();
    logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = empty();
    notification(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput = empty();
    versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = empty();
    request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput =
        Ok(S3Response::new(GetBucketRequestPaymentOutput {
            payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
        }));
    analytics(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput =
        Ok(S3Response::new(ListBucketAnalyticsConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        }));
    inventories(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput =
        Ok(S3Response::new(ListBucketInventoryConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        }));
    metrics(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput =
        Ok(S3Response::new(ListBucketMetricsConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        }));
    tiering(ListBucketIntelligentTieringConfigurationsInput)
        -> ListBucketIntelligentTieringConfigurationsOutput =
        Ok(S3Response::new(ListBucketIntelligentTieringConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        }));
}

impl Operations {
    /// Only the owner pays here.
    pub(super) fn set_request_payment(
        request: &S3Request<PutBucketRequestPaymentInput>,
    ) -> Answer<PutBucketRequestPaymentOutput> {
        let payer = &request.input.request_payment_configuration.payer;
        match payer.as_str() {
            Payer::BUCKET_OWNER => empty(),
            Payer::REQUESTER => Err(Refusal::NotBuilt("only the bucket's owner pays here").into()),
            _ => Err(Refusal::Document("the payer is BucketOwner or Requester").into()),
        }
    }

    /// There is no versioning to suspend: what is asked for holds already.
    pub(super) fn set_versioning(
        request: &S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        let status = request.input.versioning_configuration.status.as_ref();
        match status.map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::SUSPENDED) => empty(),
            Some(BucketVersioningStatus::ENABLED) => {
                Err(Refusal::NotBuilt("versioning is not implemented here").into())
            }
            _ => Err(Refusal::Document("the status is Enabled or Suspended").into()),
        }
    }

    /// No log is written.
    pub(super) fn set_logging(
        request: &S3Request<PutBucketLoggingInput>,
    ) -> Answer<PutBucketLoggingOutput> {
        if request
            .input
            .bucket_logging_status
            .logging_enabled
            .is_none()
        {
            return empty();
        }
        Err(Refusal::NotBuilt("access logs are not implemented here").into())
    }

    /// Nobody is notified.
    pub(super) fn set_notification(
        request: &S3Request<PutBucketNotificationConfigurationInput>,
    ) -> Answer<PutBucketNotificationConfigurationOutput> {
        if request.input.notification_configuration == NotificationConfiguration::default() {
            return empty();
        }
        Err(Refusal::NotBuilt("notifications are not implemented here").into())
    }
}
