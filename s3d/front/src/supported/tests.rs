use http::HeaderName;

use super::*;
use crate::signature::version2::is_signed;

fn ask(
    method: &Method,
    resource: ResourceKind,
    query: &str,
    headers: &[(&'static str, &'static str)],
) -> Result<(), Unsupported> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a header value"));
    }
    let presigned = query.contains("X-Amz-Signature");
    check(
        method,
        resource,
        &Query::parse(Some(query)),
        presigned,
        &map,
    )
}

#[test]
fn the_list_is_in_the_documents() {
    let document = include_str!("../../../CONFORMANCE.md");
    for (method, parameter, sentence) in MISSING {
        let line = format!("| `{method} ?{parameter}` | {sentence} |\n");
        assert!(document.contains(&line), "{line}");
    }
    assert_eq!(document.matches("| `").count(), MISSING.len());
}

#[test]
fn what_is_built_passes() {
    for (method, resource, query) in [
        (Method::GET, ResourceKind::Service, "x-id=ListBuckets"),
        (
            Method::GET,
            ResourceKind::Bucket,
            "list-type=2&prefix=a&encoding-type=url",
        ),
        (Method::GET, ResourceKind::Bucket, "location"),
        (Method::GET, ResourceKind::Bucket, "uploads"),
        (Method::GET, ResourceKind::Bucket, "acl"),
        (Method::GET, ResourceKind::Bucket, "policy"),
        (Method::PUT, ResourceKind::Object, "acl"),
        (Method::PUT, ResourceKind::Object, "renameObject"),
        (Method::PUT, ResourceKind::Object, "renamePrefix"),
        (
            Method::PUT,
            ResourceKind::Object,
            "rename%4fbject=&x-id=RenameObject",
        ),
        (Method::PUT, ResourceKind::Object, "tagging&versionId=null"),
        (Method::DELETE, ResourceKind::Object, "tagging"),
        (Method::GET, ResourceKind::Bucket, "versions&key-marker=x"),
        (Method::DELETE, ResourceKind::Bucket, "lifecycle"),
        (Method::PUT, ResourceKind::Bucket, "publicAccessBlock"),
        (
            Method::GET,
            ResourceKind::Object,
            "attributes&versionId=null",
        ),
        (
            Method::GET,
            ResourceKind::Object,
            "v=7&partNumber=1&response-content-type=a%2Fb",
        ),
        (Method::GET, ResourceKind::Object, "uploadId=x"),
        (Method::HEAD, ResourceKind::Object, ""),
        (Method::PUT, ResourceKind::Bucket, ""),
        (Method::PUT, ResourceKind::Bucket, "acl"),
        (Method::PUT, ResourceKind::Object, "x-id=PutObject"),
        (Method::PUT, ResourceKind::Object, "partNumber=1&uploadId=x"),
        (
            Method::PUT,
            ResourceKind::Object,
            "X-Amz-Signature=x&X-Amz-Acl=private",
        ),
        (Method::POST, ResourceKind::Object, "uploads="),
        (Method::POST, ResourceKind::Object, "uploadId=x"),
        (Method::POST, ResourceKind::Bucket, "delete"),
        (Method::DELETE, ResourceKind::Object, "uploadId=x"),
        (Method::DELETE, ResourceKind::Bucket, ""),
    ] {
        assert_eq!(
            ask(&method, resource, query, &[]),
            Ok(()),
            "{method} {resource:?} {query}"
        );
    }
}

#[test]
fn sub_resources_that_are_not_built_are_named() {
    for (method, resource, query) in [
        (Method::PUT, ResourceKind::Object, "annotation"),
        (Method::PUT, ResourceKind::Object, "annot%61tion"),
        (Method::PUT, ResourceKind::Object, "renameObject&acl"),
        (
            Method::PUT,
            ResourceKind::Object,
            "renameObject&partNumber=1&uploadId=x",
        ),
        (Method::PUT, ResourceKind::Bucket, "renameObject"),
        (Method::POST, ResourceKind::Object, "uploads&renameObject"),
        (Method::PUT, ResourceKind::Object, "versionId=1"),
        (Method::PUT, ResourceKind::Object, "uploadId=x"),
        (Method::PUT, ResourceKind::Object, "partNumber=1"),
        (Method::PUT, ResourceKind::Object, "whatever"),
        (Method::PUT, ResourceKind::Object, "X-Amz-Acl=private"),
        (Method::PUT, ResourceKind::Bucket, "lifecycle"),
        (Method::POST, ResourceKind::Object, "restore"),
        (Method::POST, ResourceKind::Object, "select&select-type=2"),
        (Method::DELETE, ResourceKind::Bucket, "abac"),
        (Method::GET, ResourceKind::Bucket, "list-type=3"),
        (Method::GET, ResourceKind::Object, "torrent"),
        (Method::HEAD, ResourceKind::Object, "acl"),
    ] {
        let answer = ask(&method, resource, query, &[]);
        assert!(
            matches!(
                answer,
                Err(Unsupported::Query(_) | Unsupported::Missing { .. })
            ),
            "{method} {resource:?} {query}: {answer:?}"
        );
    }
    for (method, resource) in [
        (Method::POST, ResourceKind::Bucket),
        (Method::POST, ResourceKind::Object),
        (Method::POST, ResourceKind::Service),
        (Method::DELETE, ResourceKind::Service),
        (Method::OPTIONS, ResourceKind::Object),
        (Method::PATCH, ResourceKind::Bucket),
    ] {
        assert_eq!(
            ask(&method, resource, "", &[]),
            Err(Unsupported::Operation),
            "{method} {resource:?}"
        );
    }
}

#[test]
fn headers_that_are_not_built_are_named() {
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "x"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-security-token", "x"),
        ("content-range", "bytes 0-1/2"),
    ] {
        let answer = ask(&Method::PUT, ResourceKind::Object, "", &[(name, value)]);
        assert_eq!(answer, Err(Unsupported::Header(name.to_owned())));
    }
    let conditions = [("if-none-match", "*")];
    assert_eq!(
        ask(&Method::PUT, ResourceKind::Object, "", &conditions),
        Ok(())
    );
    let part = ask(
        &Method::PUT,
        ResourceKind::Object,
        "partNumber=1&uploadId=x",
        &conditions,
    );
    assert_eq!(part, Err(Unsupported::Header("if-none-match".to_owned())));
    let fine = [
        ("x-amz-meta-a", "b"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-acl", "private"),
        ("x-amz-unheard-of", "x"),
    ];
    assert_eq!(ask(&Method::PUT, ResourceKind::Object, "", &fine), Ok(()));
}

#[test]
fn headers_of_a_rename_are_a_renames_alone() {
    let source = ("x-amz-rename-source", "a");
    let condition = ("x-amz-rename-source-if-match", "x");
    let token = ("x-amz-client-token", "t");
    let put = |query: &str, headers: &[_]| ask(&Method::PUT, ResourceKind::Object, query, headers);
    assert_eq!(put("", &[source, condition, token]), Ok(()));
    assert_eq!(put("renameObject", &[source, condition, token]), Ok(()));
    assert_eq!(
        put("acl", &[source]),
        Err(Unsupported::Query("acl".to_owned()))
    );
    let copied = [source, ("x-amz-copy-source", "b/a")];
    let refused = |name: &str| Err(Unsupported::Header(name.to_owned()));
    assert_eq!(put("", &copied), refused("x-amz-copy-source"));
    let unknown = [source, ("x-amz-rename-source-version", "x")];
    assert_eq!(put("", &unknown), refused("x-amz-rename-source-version"));
    for header in [condition, token] {
        assert_eq!(put("", &[header]), refused(header.0));
    }
    for (method, resource) in [
        (Method::PUT, ResourceKind::Bucket),
        (Method::GET, ResourceKind::Object),
        (Method::DELETE, ResourceKind::Object),
    ] {
        assert_eq!(ask(&method, resource, "", &[source]), refused(source.0));
    }
}

#[test]
fn a_put_of_bytes_alone_appends() {
    let offset = ("x-amz-write-offset-bytes", "0");
    let refused = Err(Unsupported::Header(offset.0.to_owned()));
    let (object, bucket) = (ResourceKind::Object, ResourceKind::Bucket);
    assert_eq!(ask(&Method::PUT, object, "", &[offset]), Ok(()));
    for (method, resource, query) in [
        (Method::PUT, object, "acl"),
        (Method::PUT, object, "renameObject"),
        (Method::PUT, object, "partNumber=1&uploadId=x"),
        (Method::PUT, bucket, ""),
        (Method::POST, object, "uploads"),
        (Method::POST, object, "uploadId=x"),
        (Method::GET, object, ""),
        (Method::DELETE, object, ""),
    ] {
        let answer = ask(&method, resource, query, &[offset]);
        assert_eq!(answer, refused, "{method} {query}");
    }
    let copy = [offset, ("x-amz-copy-source", "b/a")];
    assert_eq!(ask(&Method::PUT, object, "", &copy), refused);
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static(offset.0),
        offset.1.parse().expect("a value"),
    )]);
    assert_eq!(check_form(&headers), refused);
}

/// Signature Version 2 leaves parameters out that nobody knew in its time. One that a write has must
/// be signed, or be known to select an operation, so that it is refused.
#[test]
fn no_parameter_of_a_write_goes_unsigned() {
    let kinds = [ResourceKind::Bucket, ResourceKind::Object];
    for method in [Method::PUT, Method::POST, Method::DELETE] {
        for name in kinds.iter().flat_map(|kind| write_queries(&method, *kind)) {
            let guarded = is_signed(name) || selects(name) || *name == "x-id";
            assert!(guarded, "{method} {name}");
        }
    }
}
