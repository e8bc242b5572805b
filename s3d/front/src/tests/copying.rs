//! Copies on the server.

use super::rack::{Answer, Ask, Rack};

async fn copy(rack: &Rack, target: &str, source: &str, headers: &[(&'static str, &str)]) -> Answer {
    let ask = Ask::new("PUT", target).header("x-amz-copy-source", source);
    let ask = headers
        .iter()
        .fold(ask, |ask, (name, value)| ask.header(name, *value));
    rack.ask(ask).await
}

async fn put_source(rack: &Rack) {
    let put = Ask::new("PUT", "/bucket/a%20b")
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "green")
        .header("x-amz-tagging", "size=small")
        .header("x-amz-acl", "public-read")
        .body("hello");
    rack.ask(put).await.succeeds();
}

#[tokio::test]
async fn a_copy_has_what_its_source_has_but_for_the_acl() {
    let rack = Rack::new().await;
    put_source(&rack).await;
    for (target, source) in [
        ("/bucket/c", "bucket/a%20b"),
        ("/bucket/d", "/bucket/a b"),
        ("/other/e", "/bucket/a%20b?versionId=null"),
    ] {
        let copied = copy(&rack, target, source, &[]).await.succeeds();
        assert!(copied.element("LastModified").is_some());
        let found = rack.get(target).await.succeeds();
        assert_eq!(found.text(), "hello");
        assert_eq!(found.headers["content-type"], "text/plain");
        assert_eq!(found.headers["x-amz-meta-colour"], "green");
        assert_eq!(found.headers["x-amz-tagging-count"], "1");
        let anyone = rack.send(Ask::new("GET", target).plain()).await;
        anyone.refuses(403, "AccessDenied");
    }
    copy(&rack, "/bucket/f", "bucket/never", &[])
        .await
        .refuses(404, "NoSuchKey");
    copy(&rack, "/bucket/f", "nowhere/k", &[])
        .await
        .refuses(404, "NoSuchBucket");
    let gone = "bucket/a%20b?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH";
    copy(&rack, "/bucket/f", gone, &[])
        .await
        .refuses(404, "NoSuchVersion");
}

#[tokio::test]
async fn directives_say_what_is_taken_over() {
    let rack = Rack::new().await;
    put_source(&rack).await;
    let source = "bucket/a%20b";
    let replaced = [
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-tagging-directive", "REPLACE"),
        ("x-amz-meta-size", "small"),
        ("x-amz-acl", "public-read"),
        ("x-amz-checksum-algorithm", "CRC32"),
    ];
    let copied = copy(&rack, "/bucket/c", source, &replaced).await.succeeds();
    assert_eq!(copied.element("ChecksumCRC32").as_deref(), Some("NhCmhg=="));
    let found = rack
        .send(Ask::new("GET", "/bucket/c").plain())
        .await
        .succeeds();
    assert_eq!(found.headers["x-amz-meta-size"], "small");
    for gone in ["x-amz-meta-colour", "x-amz-tagging-count"] {
        assert!(!found.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(found.headers["content-type"], "binary/octet-stream");
    let unknown = [("x-amz-metadata-directive", "MERGE")];
    copy(&rack, "/bucket/c", source, &unknown)
        .await
        .refuses(400, "InvalidArgument");
    // Onto itself something must change.
    copy(&rack, "/bucket/a%20b", source, &[])
        .await
        .refuses(400, "InvalidRequest");
    copy(&rack, "/bucket/a%20b", source, &replaced)
        .await
        .succeeds();
    let found = rack.get("/bucket/a%20b").await.succeeds();
    assert_eq!(found.text(), "hello");
    assert_eq!(found.headers["x-amz-meta-size"], "small");
}

#[tokio::test]
async fn conditions_are_about_the_source() {
    let rack = Rack::new().await;
    put_source(&rack).await;
    let etag = rack.get("/bucket/a%20b").await.headers["etag"].clone();
    let etag = etag.to_str().unwrap();
    for (name, value, holds) in [
        ("x-amz-copy-source-if-match", etag, true),
        ("x-amz-copy-source-if-match", "\"other\"", false),
        ("x-amz-copy-source-if-none-match", etag, false),
        ("x-amz-copy-source-if-none-match", "\"other\"", true),
    ] {
        let copied = copy(&rack, "/bucket/c", "bucket/a%20b", &[(name, value)]).await;
        if holds {
            copied.succeeds();
        } else {
            copied.refuses(412, "PreconditionFailed");
        }
    }
}

#[tokio::test]
async fn nobody_copies_what_they_may_not_read() {
    let rack = Rack::new().await;
    rack.put("/bucket/secret", b"x").await.succeeds();
    rack.put("/other/secret", b"x").await.succeeds();
    put_source(&rack).await;
    let ask = |target, source| Ask::new("PUT", target).header("x-amz-copy-source", source);
    for (request, code) in [
        (
            ask("/foreign/c", "bucket/secret").signed(&rack.foreign),
            "AccessDenied",
        ),
        (
            ask("/foreign/c", "bucket/never").signed(&rack.foreign),
            "AccessDenied",
        ),
        (
            ask("/bucket/c", "bucket/a%20b").signed(&rack.foreign),
            "AccessDenied",
        ),
        (
            ask("/bucket/c", "other/secret").signed(&rack.narrow),
            "AccessDenied",
        ),
        (ask("/bucket/c", "bucket/secret").plain(), "AccessDenied"),
        // The tags are the owner's.
        (
            ask("/foreign/c", "bucket/a%20b").signed(&rack.foreign),
            "AccessDenied",
        ),
    ] {
        rack.send(request).await.refuses(403, code);
    }
    let untagged = ask("/foreign/c", "bucket/a%20b").header("x-amz-tagging-directive", "REPLACE");
    rack.send(untagged.signed(&rack.foreign)).await.succeeds();
    let copied = Ask::new("GET", "/foreign/c").signed(&rack.foreign);
    assert_eq!(rack.send(copied).await.succeeds().text(), "hello");
}

#[tokio::test]
async fn parts_are_copied_from_ranges() {
    let rack = Rack::new().await;
    put_source(&rack).await;
    let begun = rack
        .ask(Ask::new("POST", "/bucket/c?uploads"))
        .await
        .succeeds();
    let id = begun.element("UploadId").unwrap();
    let target = format!("/bucket/c?partNumber=1&uploadId={id}");
    let source = "bucket/a%20b";
    let range = |range| [("x-amz-copy-source-range", range)];
    for (named, status, code) in [
        ("bytes=0-5", 416, "InvalidRange"),
        ("bytes=0-", 400, "InvalidArgument"),
        ("hello", 400, "InvalidArgument"),
    ] {
        let refused = copy(&rack, &target, source, &range(named)).await;
        refused.refuses(status, code);
    }
    let part = copy(&rack, &target, source, &range("bytes=1-3"))
        .await
        .succeeds();
    let etag = part.element("ETag").unwrap();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let complete = format!("/bucket/c?uploadId={id}");
    let complete = Ask::new("POST", &complete).body(document);
    rack.ask(complete).await.succeeds();
    assert_eq!(rack.get("/bucket/c").await.text(), "ell");
    let other = target.replace(&id, &format!("u{}", "0".repeat(32)));
    copy(&rack, &other, source, &[])
        .await
        .refuses(404, "NoSuchUpload");
}

#[tokio::test]
async fn what_a_copy_replaces_can_be_demanded() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"new").await.succeeds();
    let put = rack.put("/other/b", b"old").await.succeeds();
    let etag = put.headers["etag"].to_str().unwrap();
    rack.put("/bucket/b", b"old").await.succeeds();
    // Within a bucket, and from another one.
    for path in ["/bucket/b", "/other/b"] {
        for (name, value) in [("if-none-match", "*"), ("if-match", "\"other\"")] {
            let refused = copy(&rack, path, "bucket/a", &[(name, value)]).await;
            refused.refuses(412, "PreconditionFailed");
        }
        assert_eq!(rack.get(path).await.succeeds().text(), "old");
        let copied = copy(&rack, path, "bucket/a", &[("if-match", etag)]).await;
        copied.succeeds();
        assert_eq!(rack.get(path).await.succeeds().text(), "new");
    }
}
