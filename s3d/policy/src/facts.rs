//! What is known of a request, by condition key.

use std::collections::HashMap;

/// What is known of a request: the values of condition keys such as `aws:SourceIp`. A key that was
/// not set is not in the request.
#[derive(Debug, Clone, Default)]
pub struct Facts(HashMap<String, Vec<String>>);

impl Facts {
    /// Adds a value. A key that no condition can name would say nothing, and hide a misspelling.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        let key = keys::folded(key);
        debug_assert!(keys::is_known(&key), "{key} is no condition key");
        self.0.entry(key).or_default().push(value.into());
    }

    /// Sets the tags that the object has which the request is about.
    pub fn set_existing_tags(&mut self, tags: &[(String, String)]) {
        self.0.retain(|key, _| !key.starts_with(keys::EXISTING_TAG));
        for (key, value) in tags {
            self.add(&format!("{}{key}", keys::EXISTING_TAG), value);
        }
    }

    /// The values of a key that was folded.
    pub(crate) fn of(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// The condition keys.
pub mod keys {
    /// Followed by the key of a tag: its value on the object that is there.
    pub const EXISTING_TAG: &str = "s3:existingobjecttag/";

    /// Followed by the key of a tag: its value in the request.
    pub const REQUEST_TAG: &str = "s3:requestobjecttag/";

    /// Those that requests here have.
    pub const KNOWN: [&str; 34] = [
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltype",
        "aws:referer",
        "aws:securetransport",
        "aws:sourceip",
        "aws:useragent",
        "aws:userid",
        "s3:authtype",
        "s3:delimiter",
        "s3:if-match",
        "s3:if-none-match",
        "s3:max-keys",
        "s3:prefix",
        "s3:requestobjecttagkeys",
        "s3:signatureage",
        "s3:signatureversion",
        "s3:tlsversion",
        "s3:versionid",
        "s3:x-amz-acl",
        "s3:x-amz-content-sha256",
        "s3:x-amz-copy-source",
        "s3:x-amz-grant-full-control",
        "s3:x-amz-grant-read",
        "s3:x-amz-grant-read-acp",
        "s3:x-amz-grant-write",
        "s3:x-amz-grant-write-acp",
        "s3:x-amz-metadata-directive",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-storage-class",
    ];

    /// Those of AWS that no request here ever has: there are no private networks, organisations,
    /// federated users or services here.
    const NEVER: [&str; 17] = [
        "aws:calledvia",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalisawsservice",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalservicename",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:tokenissuetime",
        "aws:username",
        "aws:viaawsservice",
        "aws:vpcsourceip",
        "s3:x-amz-website-redirect-location",
    ];

    /// Condition keys are compared in lower case; the keys of tags are not.
    pub fn folded(key: &str) -> String {
        match key.split_once('/') {
            Some((key, tag)) => format!("{}/{tag}", key.to_ascii_lowercase()),
            None => key.to_ascii_lowercase(),
        }
    }

    /// Whether a folded key can be in a condition.
    pub(crate) fn is_known(key: &str) -> bool {
        let tag = [EXISTING_TAG, REQUEST_TAG]
            .iter()
            .find_map(|prefix| key.strip_prefix(prefix));
        match tag {
            Some(tag) => !tag.is_empty(),
            None => KNOWN.contains(&key) || NEVER.contains(&key),
        }
    }
}
