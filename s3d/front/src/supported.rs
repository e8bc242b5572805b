//! What is built of S3. Everything else answers NotImplemented before the request is routed: a
//! sub-resource that nobody knows would otherwise be passed over, and a
//! `PUT /key?annotation` would end as a PutObject, a false success.
//!
//! Reads tolerate query parameters that S3 has no meaning for (`?v=7` behind a link); writes do not.
//! Headers that S3 has no meaning for are tolerated, as in S3.

use http::{HeaderMap, HeaderName, Method};

use super::amz_headers;
use super::query::Query;
use super::resource::ResourceKind;

/// Something that S3 has and that is not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
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
pub const MISSING: [(&str, &str, &str); 26] = [
    ("PUT", "lifecycle", "objects do not expire by rules"),
    ("PUT", "encryption", "nothing is encrypted by the server"),
    ("PUT", "website", "buckets are no websites"),
    ("PUT", "replication", "buckets are not copied to others"),
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
    ("POST", "restore", "nothing is archived"),
    ("POST", "select", "objects cannot be queried"),
];

/// What of an object is put as a document, and not as its bytes.
pub const DESCRIBING: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// The query parameter of RenameObject, which s3s does not know.
const RENAME: &str = "renameObject";

/// The query parameter that renames all keys below a prefix, which S3 does not have.
const RENAME_PREFIX: &str = "renamePrefix";

/// The header that makes an append of a PutObject.
const WRITE_OFFSET: &str = "x-amz-write-offset-bytes";

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
fn missing(method: &Method, parameter: &str) -> Option<Unsupported> {
    let entry = MISSING
        .iter()
        .find(|(of, name, _)| *of == method.as_str() && *name == parameter);
    entry.map(|(_, parameter, sentence)| Unsupported::Missing {
        parameter,
        sentence,
    })
}

/// Whether a query parameter makes another operation of a request.
pub fn selects(parameter: &str) -> bool {
    parameter == RENAME
        || parameter == RENAME_PREFIX
        || SUB_RESOURCES.contains(&parameter)
        || MISSING.iter().any(|(_, name, _)| *name == parameter)
}

/// Query parameters of the writes that are built.
const fn write_queries(method: &Method, resource: ResourceKind) -> &'static [&'static str] {
    match (method, resource) {
        (&Method::PUT, ResourceKind::Object) => &[
            "acl",
            "legal-hold",
            "partNumber",
            RENAME,
            RENAME_PREFIX,
            "retention",
            "tagging",
            "uploadId",
            "versionId",
            "x-id",
        ],
        (&Method::POST, ResourceKind::Object) => &["uploads", "uploadId", "x-id"],
        (&Method::DELETE, ResourceKind::Object) => &["tagging", "uploadId", "versionId", "x-id"],
        (&Method::POST, ResourceKind::Bucket) => &["delete", "x-id"],
        (&Method::PUT, ResourceKind::Bucket) => &[
            "acl",
            "cors",
            "logging",
            "notification",
            "object-lock",
            "ownershipControls",
            "policy",
            "publicAccessBlock",
            "requestPayment",
            "tagging",
            "versioning",
            "x-id",
        ],
        (&Method::DELETE, ResourceKind::Bucket) => &[
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

/// What a request renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renamed {
    /// An object: S3's RenameObject.
    Object,
    /// All keys that begin alike.
    Prefix,
}

/// What a request renames, if anything. RenameObject is known by its query, or, as some examples of AWS
/// have it, by the header that names the source alone.
pub fn renamed(
    method: &Method,
    resource: ResourceKind,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Option<Renamed> {
    if method != Method::PUT || resource != ResourceKind::Object {
        None
    } else if query.has(RENAME_PREFIX) {
        Some(Renamed::Prefix)
    } else if query.has(RENAME) || headers.contains_key("x-amz-rename-source") {
        Some(Renamed::Object)
    } else {
        None
    }
}

/// A rename is nothing else as well, and nothing else is a rename.
fn check_rename(
    renamed: Option<Renamed>,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<(), Unsupported> {
    let others = ["partNumber", "uploadId", "versionId"];
    let mut others = others.into_iter().chain(DESCRIBING);
    let other = match renamed {
        Some(Renamed::Prefix) if query.has(RENAME) => Some(RENAME),
        Some(_) => others.find(|it| query.has(it)),
        None => None,
    };
    if let Some(other) = other {
        return Err(Unsupported::Query(other.to_owned()));
    }
    let alien = |(name, value): &(&str, &[u8])| {
        let of_rename = name.starts_with("x-amz-rename-source") || *name == "x-amz-client-token";
        let of_copy = name.starts_with("x-amz-copy-source");
        match renamed {
            Some(Renamed::Object) => of_copy,
            Some(Renamed::Prefix) => {
                let condition = name.starts_with("if-") && (*name, *value) != NOTHING_THERE;
                of_copy || condition || (of_rename && *name != "x-amz-rename-source")
            }
            None => of_rename,
        }
    };
    let mut lines = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    match lines.find(alien) {
        Some((name, _)) => Err(Unsupported::Header(name.to_owned())),
        None => Ok(()),
    }
}

/// The one condition that a rename of a prefix may have.
const NOTHING_THERE: (&str, &[u8]) = ("if-none-match", b"*");

/// Only bytes that are put may be put behind others.
fn check_append(
    method: &Method,
    resource: ResourceKind,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<(), Unsupported> {
    let is_put = method == Method::PUT && resource == ResourceKind::Object;
    let is_other = query.has("uploadId")
        || DESCRIBING.iter().any(|it| query.has(it))
        || headers.contains_key("x-amz-copy-source")
        || renamed(method, resource, query, headers).is_some();
    if headers.contains_key(WRITE_OFFSET) && (!is_put || is_other) {
        return Err(Unsupported::Header(WRITE_OFFSET.to_owned()));
    }
    Ok(())
}

/// What is written into an object comes with the request, and leaves its tags and its ACL alone.
fn check_patch(method: &Method, headers: &HeaderMap) -> Result<(), Unsupported> {
    let aliens = [
        "x-amz-copy-source",
        "x-amz-tagging",
        "x-amz-acl",
        "x-amz-grant-",
    ];
    let mut names = headers.keys().map(HeaderName::as_str);
    match names.find(|name| aliens.iter().any(|alien| name.starts_with(alien))) {
        Some(name) if method == Method::PATCH => Err(Unsupported::Header(name.to_owned())),
        _ => Ok(()),
    }
}

/// Whether all that a request asks for is built.
pub fn check(
    method: &Method,
    resource: ResourceKind,
    query: &Query<'_>,
    presigned: bool,
    headers: &HeaderMap,
) -> Result<(), Unsupported> {
    // Those of a presigned URL are headers, or were used up by its signature.
    let is_header = |name: &str| {
        presigned
            && name
                .get(..6)
                .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
    };
    match *method {
        Method::GET | Method::HEAD => check_read(method, resource, query)?,
        Method::PATCH if resource != ResourceKind::Object => {
            return Err(Unsupported::Operation);
        }
        Method::PUT | Method::POST | Method::DELETE | Method::PATCH => {
            check_write(method, resource, query, is_header, headers)?;
        }
        _ => return Err(Unsupported::Operation),
    }
    check_rename(renamed(method, resource, query, headers), query, headers)?;
    check_append(method, resource, query, headers)?;
    check_patch(method, headers)?;
    amz_headers::check(headers)
}

/// The same for a form, whose fields are the headers of a PutObject and of nothing else.
pub fn check_form(headers: &HeaderMap) -> Result<(), Unsupported> {
    let (method, resource, query) = (&Method::PUT, ResourceKind::Object, Query::parse(None));
    check_rename(None, &query, headers)?;
    if headers.contains_key(WRITE_OFFSET) {
        return Err(Unsupported::Header(WRITE_OFFSET.to_owned()));
    }
    check(method, resource, &query, false, headers)
}

fn check_read(
    method: &Method,
    resource: ResourceKind,
    query: &Query<'_>,
) -> Result<(), Unsupported> {
    for (name, value) in query.pairs() {
        if let Some(refusal) = missing(method, name) {
            return Err(refusal);
        }
        let alien = match name {
            "list-type" => value != "2",
            "uploads" | "location" | "versions" => resource != ResourceKind::Bucket,
            "annotations" | "events" | "nofollow" => true,
            _ => false,
        };
        if alien || (*method == Method::HEAD && SUB_RESOURCES.contains(&name)) {
            return Err(Unsupported::Query(name.to_owned()));
        }
    }
    Ok(())
}

fn check_write(
    method: &Method,
    resource: ResourceKind,
    query: &Query<'_>,
    is_header: impl Fn(&str) -> bool,
    headers: &HeaderMap,
) -> Result<(), Unsupported> {
    let known = write_queries(method, resource);
    for (name, _) in query.pairs() {
        if is_header(name) || known.contains(&name) {
            continue;
        }
        let other = || Unsupported::Query(name.to_owned());
        return Err(missing(method, name).unwrap_or_else(other));
    }
    let has = |wanted: &str| query.has(wanted);
    match (method, resource) {
        // With one of the two alone, s3s would make a PutObject of it.
        (&Method::PUT, ResourceKind::Object) if has("partNumber") != has("uploadId") => {
            let alone = if has("uploadId") {
                "uploadId"
            } else {
                "partNumber"
            };
            return Err(Unsupported::Query(alone.to_owned()));
        }
        // What is put has one version, whichever id it would be given.
        (&Method::PUT, ResourceKind::Object)
            if has("versionId") && !DESCRIBING.iter().any(|it| has(it)) =>
        {
            return Err(Unsupported::Query("versionId".to_owned()));
        }
        (&Method::POST, ResourceKind::Bucket) if !has("delete") => {
            return Err(Unsupported::Operation);
        }
        (&Method::POST, ResourceKind::Object) if has("uploads") == has("uploadId") => {
            return Err(Unsupported::Operation);
        }
        (_, ResourceKind::Service) => return Err(Unsupported::Operation),
        _ => {}
    }
    let object = resource == ResourceKind::Object;
    let conditions: &[&str] = match *method {
        Method::PUT if object && !has("uploadId") => {
            &["if-match", "if-none-match", "if-unmodified-since"]
        }
        Method::POST if object && has("uploadId") => {
            &["if-match", "if-none-match", "if-unmodified-since"]
        }
        Method::PATCH => &[
            "if-match",
            "if-none-match",
            "if-unmodified-since",
            "content-range",
        ],
        Method::DELETE if object && !has("uploadId") => &["if-match", "if-unmodified-since"],
        _ => &[],
    };
    for name in [
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "content-range",
    ] {
        if headers.contains_key(name) && !conditions.contains(&name) {
            return Err(Unsupported::Header(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
