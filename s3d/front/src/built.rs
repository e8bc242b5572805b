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
    /// A header.
    #[error("the header {0} asks for something that is not implemented here")]
    Header(String),
    /// A method on this kind of resource.
    #[error("this operation is not implemented here")]
    Operation,
}

/// Query parameters that make another operation of a GET or HEAD, or change what it means.
const READS_NOT_BUILT: [&str; 35] = [
    "accelerate",
    "analytics",
    "annotation",
    "annotations",
    "attributes",
    "cors",
    "encryption",
    "events",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "versionId",
    "versioning",
    "versions",
    "website",
    "abac",
    "nofollow",
];

/// Query parameters of the writes that are built.
const fn write_queries(method: &Method, aim: Aim) -> &'static [&'static str] {
    match (method, aim) {
        (&Method::PUT, Aim::Object) => &["partNumber", "uploadId", "x-id"],
        (&Method::POST, Aim::Object) => &["uploads", "uploadId", "x-id"],
        (&Method::DELETE, Aim::Object) => &["uploadId", "x-id"],
        (&Method::POST, Aim::Bucket) => &["delete", "x-id"],
        (&Method::PUT, Aim::Bucket) => &["acl", "x-id"],
        _ => &["x-id"],
    }
}

/// The `x-amz-` headers that are built, beside `x-amz-meta-…`.
const HEADERS: [&str; 21] = [
    "x-amz-acl",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-mp-object-size",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-storage-class",
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
        let alien = READS_NOT_BUILT.contains(&name)
            || (name == "list-type" && value != "2")
            || (name == "uploads" && aim != Aim::Bucket)
            || (name == "location" && aim != Aim::Bucket)
            // s3s would answer HeadObject to `HEAD ?acl` and `HEAD ?uploadId`.
            || (*method == Method::HEAD && matches!(name, "acl" | "uploadId" | "uploads" | "location"));
        if alien {
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
        if !is_header(name) && !known.contains(&name) {
            return Err(NotBuilt::Query(name.to_owned()));
        }
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
mod tests {
    use super::*;

    fn ask(
        method: &Method,
        aim: Aim,
        query: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(), NotBuilt> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        let presigned = query.contains("X-Amz-Signature");
        check(method, aim, &Query::parse(Some(query)), presigned, &map)
    }

    #[test]
    fn what_is_built_passes() {
        for (method, aim, query) in [
            (Method::GET, Aim::Service, "x-id=ListBuckets"),
            (
                Method::GET,
                Aim::Bucket,
                "list-type=2&prefix=a&encoding-type=url",
            ),
            (Method::GET, Aim::Bucket, "location"),
            (Method::GET, Aim::Bucket, "uploads"),
            (Method::GET, Aim::Bucket, "acl"),
            (
                Method::GET,
                Aim::Object,
                "v=7&partNumber=1&response-content-type=a%2Fb",
            ),
            (Method::GET, Aim::Object, "uploadId=x"),
            (Method::HEAD, Aim::Object, ""),
            (Method::PUT, Aim::Bucket, ""),
            (Method::PUT, Aim::Bucket, "acl"),
            (Method::PUT, Aim::Object, "x-id=PutObject"),
            (Method::PUT, Aim::Object, "partNumber=1&uploadId=x"),
            (
                Method::PUT,
                Aim::Object,
                "X-Amz-Signature=x&X-Amz-Acl=private",
            ),
            (Method::POST, Aim::Object, "uploads="),
            (Method::POST, Aim::Object, "uploadId=x"),
            (Method::POST, Aim::Bucket, "delete"),
            (Method::DELETE, Aim::Object, "uploadId=x"),
            (Method::DELETE, Aim::Bucket, ""),
        ] {
            assert_eq!(
                ask(&method, aim, query, &[]),
                Ok(()),
                "{method} {aim:?} {query}"
            );
        }
    }

    #[test]
    fn sub_resources_that_are_not_built_are_named() {
        for (method, aim, query) in [
            (Method::PUT, Aim::Object, "renameObject"),
            (Method::PUT, Aim::Object, "rename%4fbject"),
            (Method::PUT, Aim::Object, "acl"),
            (Method::PUT, Aim::Object, "tagging"),
            (Method::PUT, Aim::Object, "retention"),
            (Method::PUT, Aim::Object, "legal-hold"),
            (Method::PUT, Aim::Object, "versionId=1"),
            (Method::PUT, Aim::Object, "uploadId=x"),
            (Method::PUT, Aim::Object, "partNumber=1"),
            (Method::PUT, Aim::Object, "whatever"),
            (Method::PUT, Aim::Object, "X-Amz-Acl=private"),
            (Method::PUT, Aim::Bucket, "versioning"),
            (Method::PUT, Aim::Bucket, "policy"),
            (Method::PUT, Aim::Bucket, "publicAccessBlock"),
            (Method::POST, Aim::Object, "restore"),
            (Method::POST, Aim::Object, "select&select-type=2"),
            (Method::DELETE, Aim::Object, "versionId=null"),
            (Method::DELETE, Aim::Object, "tagging"),
            (Method::DELETE, Aim::Bucket, "lifecycle"),
            (Method::DELETE, Aim::Bucket, "abac"),
            (Method::GET, Aim::Bucket, "versioning"),
            (Method::GET, Aim::Bucket, "versions"),
            (Method::GET, Aim::Bucket, "object-lock"),
            (Method::GET, Aim::Bucket, "list-type=3"),
            (Method::GET, Aim::Object, "attributes"),
            (Method::GET, Aim::Object, "versionId=x"),
            (Method::GET, Aim::Object, "torrent"),
            (Method::HEAD, Aim::Object, "acl"),
        ] {
            let answer = ask(&method, aim, query, &[]);
            assert!(
                matches!(answer, Err(NotBuilt::Query(_))),
                "{method} {aim:?} {query}: {answer:?}"
            );
        }
        for (method, aim) in [
            (Method::POST, Aim::Bucket),
            (Method::POST, Aim::Object),
            (Method::POST, Aim::Service),
            (Method::DELETE, Aim::Service),
            (Method::OPTIONS, Aim::Object),
            (Method::PATCH, Aim::Object),
        ] {
            assert_eq!(
                ask(&method, aim, "", &[]),
                Err(NotBuilt::Operation),
                "{method} {aim:?}"
            );
        }
    }

    #[test]
    fn headers_that_are_not_built_are_named() {
        for (name, value) in [
            ("x-amz-copy-source", "a/b"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "x"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-bucket-object-lock-enabled", "true"),
            ("x-amz-write-offset-bytes", "0"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-grant-read", "id=x"),
            ("x-amz-expected-bucket-owner", "x"),
            ("x-amz-mfa", "x"),
            ("x-amz-security-token", "x"),
            ("x-amz-unheard-of", "x"),
            ("content-range", "bytes 0-1/2"),
            ("if-modified-since", "x"),
        ] {
            let answer = ask(&Method::PUT, Aim::Object, "", &[(name, value)]);
            assert_eq!(answer, Err(NotBuilt::Header(name.to_owned())));
        }
        let conditions = [("if-none-match", "*")];
        assert_eq!(ask(&Method::PUT, Aim::Object, "", &conditions), Ok(()));
        let part = ask(
            &Method::PUT,
            Aim::Object,
            "partNumber=1&uploadId=x",
            &conditions,
        );
        assert_eq!(part, Err(NotBuilt::Header("if-none-match".to_owned())));
        let fine = [
            ("x-amz-meta-a", "b"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-acl", "private"),
        ];
        assert_eq!(ask(&Method::PUT, Aim::Object, "", &fine), Ok(()));
    }
}
