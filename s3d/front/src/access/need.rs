//! What operations need of their callers, and what bucket policies call them.

use s3d_bucket::Permission;

/// What an operation needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A key; the operation is about no bucket.
    Key,
    /// A key of a whole namespace: the bucket does not exist yet.
    Namespace,
    /// The bucket is the caller's, or its policy allows this.
    Owner(&'static str),
    /// The bucket is the caller's, its policy allows this, or its ACL grants it.
    Bucket(&'static str, Permission),
    /// The bucket is the caller's; what its policy denies is looked at later, for many keys at once.
    Own,
    /// The bucket is the caller's; the policy cannot allow it, and cannot deny it to the namespace's
    /// own keys, so that nobody locks themselves out.
    Policy(&'static str),
    /// The object decides, once it is found.
    Object,
    /// Each of the objects is decided on by itself.
    EachObject,
}

/// The action that writes an object.
pub const PUT_OBJECT: &str = "PutObject";

/// The action that deletes an object.
pub const DELETE_OBJECT: &str = "DeleteObject";

/// The action that lists keys.
pub const LIST_BUCKET: &str = "ListBucket";

/// What an operation needs, by S3's name of it.
pub fn need(operation: &str) -> Need {
    use Permission::{Read, ReadAcp, Write, WriteAcp};
    match operation {
        "ListBuckets" => Need::Key,
        "CreateBucket" => Need::Namespace,
        "HeadBucket" | "ListChanges" | "ListObjects" | "ListObjectsV2" => {
            Need::Bucket(LIST_BUCKET, Read)
        }
        "ListObjectVersions" => Need::Bucket("ListBucketVersions", Read),
        "ListMultipartUploads" => Need::Bucket("ListBucketMultipartUploads", Read),
        "GetBucketAcl" => Need::Bucket("GetBucketAcl", ReadAcp),
        "PutBucketAcl" => Need::Bucket("PutBucketAcl", WriteAcp),
        "CompleteMultipartUpload"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "PatchObject"
        | "PostObject"
        | "PutObject"
        | "RenameObject"
        | "UploadPart"
        | "UploadPartCopy" => Need::Bucket(PUT_OBJECT, Write),
        "AbortMultipartUpload" => Need::Bucket("AbortMultipartUpload", Write),
        "ListParts" => Need::Bucket("ListMultipartUploadParts", Write),
        "DeleteObject" => Need::Bucket(DELETE_OBJECT, Write),
        "DeleteObjects" => Need::EachObject,
        "RenamePrefix" => Need::Own,
        "GetObject"
        | "GetObjectAcl"
        | "GetObjectAttributes"
        | "HeadObject"
        | "PutObjectAcl"
        | "DeleteObjectTagging"
        | "GetObjectTagging"
        | "PutObjectTagging" => Need::Object,
        "GetBucketPolicy" => Need::Policy("GetBucketPolicy"),
        "PutBucketPolicy" => Need::Policy("PutBucketPolicy"),
        "DeleteBucketPolicy" => Need::Policy("DeleteBucketPolicy"),
        _ => Need::Owner(setting(operation)),
    }
}

/// The action of an operation on what is set on a bucket. Most are called alike; deleting a setting
/// is putting it.
fn setting(operation: &str) -> &'static str {
    match operation {
        "DeleteBucket" => "DeleteBucket",
        "DeleteBucketCors" | "PutBucketCors" => "PutBucketCORS",
        "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "DeleteBucketOwnershipControls" | "PutBucketOwnershipControls" => {
            "PutBucketOwnershipControls"
        }
        "DeleteBucketReplication" => "PutReplicationConfiguration",
        "DeleteBucketTagging" | "PutBucketTagging" => "PutBucketTagging",
        "DeleteBucketWebsite" => "DeleteBucketWebsite",
        "DeletePublicAccessBlock" | "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetBucketCors" => "GetBucketCORS",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "GetBucketLocation" => "GetBucketLocation",
        "GetBucketLogging" => "GetBucketLogging",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "GetBucketOwnershipControls" => "GetBucketOwnershipControls",
        "GetBucketPolicyStatus" => "GetBucketPolicyStatus",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetBucketRequestPayment" => "GetBucketRequestPayment",
        "GetBucketTagging" => "GetBucketTagging",
        "GetBucketVersioning" => "GetBucketVersioning",
        "GetBucketWebsite" => "GetBucketWebsite",
        "GetObjectLegalHold" => "GetObjectLegalHold",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        "GetObjectRetention" => "GetObjectRetention",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "ListBucketAnalyticsConfigurations" => "GetAnalyticsConfiguration",
        "ListBucketIntelligentTieringConfigurations" => "GetIntelligentTieringConfiguration",
        "ListBucketInventoryConfigurations" => "GetInventoryConfiguration",
        "ListBucketMetricsConfigurations" => "GetMetricsConfiguration",
        "PutBucketLogging" => "PutBucketLogging",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "PutBucketRequestPayment" => "PutBucketRequestPayment",
        "PutBucketVersioning" => "PutBucketVersioning",
        "PutObjectLegalHold" => "PutObjectLegalHold",
        "PutObjectLockConfiguration" => "PutBucketObjectLockConfiguration",
        "PutObjectRetention" => "PutObjectRetention",
        // It is not built, and refused whoever asks.
        _ => UNNAMED,
    }
}

/// The action of operations that are not built, or not known.
const UNNAMED: &str = "";

/// Whether an operation changes nothing, so that a key which only reads may do it.
pub fn only_reads(operation: &str) -> bool {
    let names = ["Get", "Head", "List"];
    names.iter().any(|name| operation.starts_with(name))
}

/// What is done with an object that is there.
#[derive(Debug, Clone, Copy)]
pub struct ObjectUse {
    /// The actions of it, which a policy must allow all and may deny each.
    pub actions: &'static [&'static str],
    /// What an ACL grants it by; `None`: it is the bucket owner's.
    pub permission: Option<Permission>,
}

impl ObjectUse {
    /// Its bytes and headers are read.
    pub const READ: Self = Self::granted(&["GetObject"], Permission::Read);
    /// Its attributes are read.
    pub const READ_ATTRIBUTES: Self =
        Self::granted(&["GetObject", "GetObjectAttributes"], Permission::Read);
    /// Its ACL is read.
    pub const READ_ACL: Self = Self::granted(&["GetObjectAcl"], Permission::ReadAcp);
    /// Its ACL is set.
    pub const WRITE_ACL: Self = Self::granted(&["PutObjectAcl"], Permission::WriteAcp);
    /// Its tags are read.
    pub const READ_TAGS: Self = Self::owned(&["GetObjectTagging"]);
    /// Its tags are set.
    pub const WRITE_TAGS: Self = Self::owned(&["PutObjectTagging"]);
    /// Its tags are removed.
    pub const DELETE_TAGS: Self = Self::owned(&["DeleteObjectTagging"]);

    const fn granted(actions: &'static [&'static str], permission: Permission) -> Self {
        Self {
            actions,
            permission: Some(permission),
        }
    }

    const fn owned(actions: &'static [&'static str]) -> Self {
        Self {
            actions,
            permission: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S3's names of the operations that are built.
    fn operations() -> Vec<String> {
        let source = include_str!("../operations.rs");
        let lines = source
            .lines()
            .filter_map(|line| line.trim().split_once("Input) "));
        let inputs = lines.filter_map(|(before, _)| before.rsplit_once('('));
        let names: Vec<_> = inputs.map(|(_, name)| name.to_owned()).collect();
        let more = source.lines().filter_map(|line| {
            let (_, name) = line.trim().strip_suffix("Input)")?.rsplit_once('(')?;
            Some(name.to_owned())
        });
        names.into_iter().chain(more).collect()
    }

    #[test]
    fn every_operation_has_an_action_of_s3() {
        let operations = operations();
        assert!(operations.len() > 60, "{operations:?}");
        for operation in operations {
            match need(&operation) {
                Need::Owner(action) | Need::Bucket(action, _) | Need::Policy(action) => {
                    assert!(s3d_policy::is_action(action), "{operation}: {action:?}");
                }
                Need::Key | Need::Namespace | Need::Own | Need::Object | Need::EachObject => {}
            }
        }
        assert!(s3d_policy::is_action(DELETE_OBJECT));
    }

    #[test]
    fn uses_of_objects_are_actions_of_s3() {
        for it in [
            ObjectUse::READ,
            ObjectUse::READ_ATTRIBUTES,
            ObjectUse::READ_ACL,
            ObjectUse::WRITE_ACL,
            ObjectUse::READ_TAGS,
            ObjectUse::WRITE_TAGS,
            ObjectUse::DELETE_TAGS,
        ] {
            assert!(
                it.actions
                    .iter()
                    .all(|action| s3d_policy::is_action(action))
            );
        }
    }
}
