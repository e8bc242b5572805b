//! What S3 calls its actions.

use crate::error::PolicyError;
use crate::pattern::Pattern;

/// Every action that a bucket policy may name and some request here needs, or needs on AWS. Which
/// request needs which is "Required permissions for Amazon S3 API operations" in the Amazon S3 User
/// Guide.
const ACTIONS: [&str; 74] = [
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionTagging",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListMultipartUploadParts",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "PutReplicationConfiguration",
    "RestoreObject",
];

/// Those that find an object before they are decided on, so that its tags can be asked for.
const LOOKING_AT_TAGS: [&str; 12] = [
    "DeleteObjectTagging",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionTagging",
    "PutObjectAcl",
    "PutObjectTagging",
    "PutObjectVersionTagging",
];

/// Whether S3 has an action of this name, without the `s3:`.
pub fn is_action(name: &str) -> bool {
    ACTIONS.contains(&name)
}

/// Some actions, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(Vec<Pattern>);

impl Actions {
    /// Reads names such as `s3:GetObject`, `s3:Get*` and `*`.
    pub fn read(names: &[String]) -> Result<Self, PolicyError> {
        let patterns = names.iter().map(|name| {
            let refusal = || PolicyError::Action(name.clone());
            let lower = name.to_ascii_lowercase();
            let behind = match lower.as_str() {
                "*" => "*",
                lower => lower.strip_prefix("s3:").ok_or_else(refusal)?,
            };
            let pattern = Pattern::new(behind)?;
            let known = ACTIONS
                .iter()
                .any(|action| pattern.matches(&action.to_ascii_lowercase()));
            if known { Ok(pattern) } else { Err(refusal()) }
        });
        patterns.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an action is one of them.
    pub fn include(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.0.iter().any(|pattern| pattern.matches(&action))
    }

    /// Whether one of them finds an object before it is decided on.
    pub fn look_at_tags(&self) -> bool {
        LOOKING_AT_TAGS.iter().any(|action| self.include(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Result<Actions, PolicyError> {
        Actions::read(&[name.to_owned()])
    }

    #[test]
    fn actions_are_named_in_any_case_and_with_wildcards() {
        let some = read("s3:getOBJECT*").expect("some");
        assert!(some.include("GetObject") && some.include("GetObjectAcl"));
        assert!(!some.include("PutObject") && some.look_at_tags());
        assert!(read("*").expect("all").include("DeleteBucket"));
        assert!(!read("s3:List*").expect("lists").look_at_tags());
    }

    #[test]
    fn an_action_that_s3_does_not_have_is_refused() {
        for name in ["s3:GetObjects", "iam:PassRole", "GetObject", "s3:", ""] {
            assert_eq!(read(name), Err(PolicyError::Action(name.to_owned())));
        }
    }

    #[test]
    fn those_that_look_at_tags_are_actions() {
        assert!(LOOKING_AT_TAGS.iter().all(|action| is_action(action)));
        assert!(ACTIONS.is_sorted());
    }
}
