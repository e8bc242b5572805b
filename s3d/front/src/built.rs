//! What is built of S3. Everything else answers NotImplemented before the request is routed: a
//! sub-resource or header that nobody knows would otherwise be passed over, and a
//! `PUT /key?renameObject` would end as a PutObject, a false success.
//!
//! Reads tolerate what S3 has no meaning for (`?v=7` behind a link); writes do not.

use http::{HeaderMap, Method};

use super::query::Query;

/// At what a request is aimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The list of buckets.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// Something that S3 has and that is not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBuilt {
    /// A sub-resource or query parameter.
    #[error("the query parameter {0} asks for something that is not implemented here")]
    Query(String),
    /// One that is on the list.
    #[error("{sentence}: {parameter} is not implemented here")]
    Missing {
        /// The query parameter.
        parameter: &'static str,
        /// Why it is refused.
        sentence: &'static str,
    },
    /// A header.
    #[error("the header {0} asks for something that is not implemented here")]
    Header(String),
    /// A method on this kind of resource.
    #[error("this operation is not implemented here")]
    Operation,
}

/// What S3 has and is not built, by method and query parameter; why, in a sentence.
/// `s3d/CONFORMANCE.md` has the same list.
pub const MISSING: [(&str, &str, &str); 31] = [
    ("PUT", "policy", "there are no bucket policies: use ACLs"),
    ("PUT", "lifecycle", "objects do not expire by rules"),
    ("PUT", "encryption", "nothing is encrypted by the server"),
    ("PUT", "website", "buckets are no websites"),
    ("PUT", "replication", "buckets are not copied to others"),
    ("PUT", "object-lock", "there is no object lock"),
    ("PUT", "retention", "there is no object lock"),
    ("PUT", "legal-hold", "there is no object lock"),
    ("PUT", "accelerate", "there is no transfer acceleration"),
    ("PUT", "analytics", "there are no storage class analytics"),
    (
        "DELETE",
        "analytics",
        "there are no storage class analytics",
    ),
    ("PUT", "inventory", "there are no inventories"),
    ("DELETE", "inventory", "there are no inventories"),
    ("PUT", "metrics", "there are no request metrics by prefix"),
    (
        "DELETE",
        "metrics",
        "there are no request metrics by prefix",
    ),
    ("PUT", "intelligent-tiering", "there is one storage class"),
    (
        "DELETE",
        "intelligent-tiering",
        "there is one storage class",
    ),
    ("GET", "metadataTable", "there are no metadata tables"),
    ("POST", "metadataTable", "there are no metadata tables"),
    ("DELETE", "metadataTable", "there are no metadata tables"),
    (
        "GET",
        "metadataConfiguration",
        "there are no metadata tables",
    ),
    (
        "POST",
        "metadataConfiguration",
        "there are no metadata tables",
    ),
    (
        "DELETE",
        "metadataConfiguration",
        "there are no metadata tables",
    ),
    ("GET", "abac", "tags give no access"),
    ("PUT", "abac", "tags give no access"),
    ("GET", "session", "there are no directory buckets"),
    ("GET", "torrent", "there are no torrents"),
    ("GET", "annotation", "objects have no annotations"),
    (
        "PUT",
        "renameObject",
        "objects are renamed by a copy and a delete",
    ),
    ("POST", "restore", "nothing is archived"),
    ("POST", "select", "objects cannot be queried"),
];

/// Query parameters that make another operation of a GET. There is no HEAD of these: s3s would
/// answer HeadObject or HeadBucket.
const SUB_RESOURCES: [&str; 31] = [
    "accelerate",
    "acl",
    "analytics",
    "annotations",
    "attributes",
    "cors",
    "encryption",
    "events",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "nofollow",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "retention",
    "tagging",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Why a request for a sub-resource is refused, if it is on the list.
fn missing(method: &Method, parameter: &str) -> Option<NotBuilt> {
    let entry = MISSING
        .iter()
        .find(|(of, name, _)| *of == method.as_str() && *name == parameter);
    entry.map(|(_, parameter, sentence)| NotBuilt::Missing {
        parameter,
        sentence,
    })
}

/// Query parameters of the writes that are built.
const fn write_queries(method: &Method, aim: Aim) -> &'static [&'static str] {
    match (method, aim) {
        (&Method::PUT, Aim::Object) => &[
            "acl",
            "partNumber",
            "tagging",
            "uploadId",
            "versionId",
            "x-id",
        ],
        (&Method::POST, Aim::Object) => &["uploads", "uploadId", "x-id"],
        (&Method::DELETE, Aim::Object) => &["tagging", "uploadId", "versionId", "x-id"],
        (&Method::POST, Aim::Bucket) => &["delete", "x-id"],
        (&Method::PUT, Aim::Bucket) => &[
            "acl",
            "cors",
            "logging",
            "notification",
            "ownershipControls",
            "publicAccessBlock",
            "requestPayment",
            "tagging",
            "versioning",
            "x-id",
        ],
        (&Method::DELETE, Aim::Bucket) => &[
            "cors",
            "encryption",
            "lifecycle",
            "ownershipControls",
            "policy",
            "publicAccessBlock",
            "replication",
            "tagging",
            "website",
            "x-id",
        ],
        _ => &["x-id"],
    }
}

/// The `x-amz-` headers that are built, beside `x-amz-meta-…`.
const HEADERS: [&str; 41] = [
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-max-parts",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-ownership",
    "x-amz-part-number-marker",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-api-version",
    "x-amz-request-id",
];

/// Whether all that a request asks for is built.
pub fn check(
    method: &Method,
    aim: Aim,
    query: &Query<'_>,
    presigned: bool,
    headers: &HeaderMap,
) -> Result<(), NotBuilt> {
    // Those of a presigned URL are headers, or were used up by its signature.
    let is_header = |name: &str| {
        presigned
            && name
                .get(..6)
                .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
    };
    match *method {
        Method::GET | Method::HEAD => check_read(method, aim, query)?,
        Method::PUT | Method::POST | Method::DELETE => {
            check_write(method, aim, query, is_header, headers)?;
        }
        _ => return Err(NotBuilt::Operation),
    }
    check_headers(headers)
}

fn check_read(method: &Method, aim: Aim, query: &Query<'_>) -> Result<(), NotBuilt> {
    for (name, value) in query.pairs() {
        if let Some(refusal) = missing(method, name) {
            return Err(refusal);
        }
        let alien = match name {
            "list-type" => value != "2",
            "uploads" | "location" | "versions" => aim != Aim::Bucket,
            "annotations" | "events" | "nofollow" => true,
            _ => false,
        };
        if alien || (*method == Method::HEAD && SUB_RESOURCES.contains(&name)) {
            return Err(NotBuilt::Query(name.to_owned()));
        }
    }
    Ok(())
}

fn check_write(
    method: &Method,
    aim: Aim,
    query: &Query<'_>,
    is_header: impl Fn(&str) -> bool,
    headers: &HeaderMap,
) -> Result<(), NotBuilt> {
    let known = write_queries(method, aim);
    for (name, _) in query.pairs() {
        if is_header(name) || known.contains(&name) {
            continue;
        }
        let other = || NotBuilt::Query(name.to_owned());
        return Err(missing(method, name).unwrap_or_else(other));
    }
    let has = |wanted: &str| query.has(wanted);
    match (method, aim) {
        // With one of the two alone, s3s would make a PutObject of it.
        (&Method::PUT, Aim::Object) if has("partNumber") != has("uploadId") => {
            let alone = if has("uploadId") {
                "uploadId"
            } else {
                "partNumber"
            };
            return Err(NotBuilt::Query(alone.to_owned()));
        }
        // What is put has one version, whichever id it would be given.
        (&Method::PUT, Aim::Object) if has("versionId") && !has("acl") && !has("tagging") => {
            return Err(NotBuilt::Query("versionId".to_owned()));
        }
        (&Method::POST, Aim::Bucket) if !has("delete") => return Err(NotBuilt::Operation),
        (&Method::POST, Aim::Object) if has("uploads") == has("uploadId") => {
            return Err(NotBuilt::Operation);
        }
        (_, Aim::Service) => return Err(NotBuilt::Operation),
        _ => {}
    }
    let object = aim == Aim::Object;
    let conditions: &[&str] = match *method {
        Method::PUT if object && !has("uploadId") => &["if-match", "if-none-match"],
        Method::POST if object && has("uploadId") => &["if-match", "if-none-match"],
        Method::DELETE if object && !has("uploadId") => &["if-match"],
        _ => &[],
    };
    for name in [
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "content-range",
    ] {
        if headers.contains_key(name) && !conditions.contains(&name) {
            return Err(NotBuilt::Header(name.to_owned()));
        }
    }
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), NotBuilt> {
    for (name, value) in headers {
        let name = name.as_str();
        let Some(rest) = name.strip_prefix("x-amz-") else {
            continue;
        };
        let built = rest.starts_with("meta-") || HEADERS.contains(&name);
        if !built || (name == "x-amz-storage-class" && value != "STANDARD") {
            return Err(NotBuilt::Header(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
