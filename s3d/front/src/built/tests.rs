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
        (Method::GET, Aim::Bucket, "policy"),
        (Method::PUT, Aim::Object, "acl"),
        (Method::PUT, Aim::Object, "tagging&versionId=null"),
        (Method::DELETE, Aim::Object, "tagging"),
        (Method::GET, Aim::Bucket, "versions&key-marker=x"),
        (Method::DELETE, Aim::Bucket, "lifecycle"),
        (Method::PUT, Aim::Bucket, "publicAccessBlock"),
        (Method::GET, Aim::Object, "attributes&versionId=null"),
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
        (Method::PUT, Aim::Object, "retention"),
        (Method::PUT, Aim::Object, "legal-hold"),
        (Method::PUT, Aim::Object, "versionId=1"),
        (Method::PUT, Aim::Object, "uploadId=x"),
        (Method::PUT, Aim::Object, "partNumber=1"),
        (Method::PUT, Aim::Object, "whatever"),
        (Method::PUT, Aim::Object, "X-Amz-Acl=private"),
        (Method::PUT, Aim::Bucket, "policy"),
        (Method::POST, Aim::Object, "restore"),
        (Method::POST, Aim::Object, "select&select-type=2"),
        (Method::DELETE, Aim::Bucket, "abac"),
        (Method::GET, Aim::Bucket, "list-type=3"),
        (Method::GET, Aim::Object, "torrent"),
        (Method::HEAD, Aim::Object, "acl"),
    ] {
        let answer = ask(&method, aim, query, &[]);
        assert!(
            matches!(answer, Err(NotBuilt::Query(_) | NotBuilt::Missing { .. })),
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
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "x"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-write-offset-bytes", "0"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-storage-class", "GLACIER"),
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
