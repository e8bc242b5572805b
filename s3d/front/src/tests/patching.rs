//! Ranges that are written into objects.

use super::rack::{Ask, Rack};

fn ask<'a>(path: &'a str, ranges: &str, body: &str) -> Ask<'a> {
    Ask::new("PATCH", path)
        .header("content-range", format!("bytes {ranges}/*"))
        .body(body)
}

async fn assert_holds(rack: &Rack, path: &str, text: &str) {
    assert_eq!(rack.get(path).await.succeeds().text(), text);
}

#[tokio::test]
async fn ranges_get_other_bytes_and_the_rest_stays() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let put = Ask::new("PUT", path)
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "green")
        .body("one two three");
    let put = rack.ask(put).await.succeeds();
    let answer = rack
        .ask(ask(path, "0-2,8-14", "ONE3 four!"))
        .await
        .succeeds();
    assert_holds(&rack, path, "ONE two 3 four!").await;
    let etag = answer.headers["etag"].to_str().unwrap();
    assert!(
        etag.ends_with("-2\"") && put.headers["etag"] != etag,
        "{etag}"
    );
    assert_eq!(answer.headers["x-amz-object-size"], "15");
    let inner = answer.element("ETag").unwrap();
    assert_eq!(inner.replace("&quot;", "\""), etag);
    assert!(answer.element("LastModified").unwrap().ends_with('Z'));
    let head = rack.ask(Ask::new("HEAD", path)).await.succeeds();
    assert_eq!(head.headers["etag"], etag);
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(head.headers["x-amz-meta-colour"], "green");
    // What describes it may be replaced in the same moment.
    let described = ask(path, "0-0", "o")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-size", "small");
    rack.ask(described).await.succeeds();
    let found = rack.get(path).await.succeeds();
    assert_eq!(found.text(), "oNE two 3 four!");
    assert_eq!(found.headers["x-amz-meta-size"], "small");
    assert!(!found.headers.contains_key("x-amz-meta-colour"));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let put = rack.put(path, b"hello").await.succeeds();
    let etag = put.headers["etag"].to_str().unwrap();
    for (ranges, body) in [
        ("3-1", "x"),
        ("0-1,1-2", "abcd"),
        ("0-1", "abc"),
        ("0-1", "a"),
        ("0-1", ""),
        ("x", "a"),
        ("", "a"),
    ] {
        let refused = rack.ask(ask(path, ranges, body)).await;
        refused.refuses(400, "InvalidArgument");
    }
    let plain = Ask::new("PATCH", path).body("x");
    rack.ask(plain).await.refuses(400, "InvalidArgument");
    let gap = rack.ask(ask(path, "6-6", "x")).await;
    gap.refuses(416, "InvalidRange");
    let never = rack.ask(ask("/bucket/never", "0-0", "x")).await;
    never.refuses(404, "NoSuchKey");
    let corrupt = ask(path, "0-0", "x").header("x-amz-checksum-crc32", "AAAAAA==");
    rack.ask(corrupt).await.refuses(400, "BadDigest");
    let directive = ask(path, "0-0", "x").header("x-amz-metadata-directive", "MERGE");
    rack.ask(directive).await.refuses(400, "InvalidArgument");
    for (name, value) in [
        ("if-match", "\"other\""),
        ("if-none-match", "*"),
        ("if-none-match", etag),
    ] {
        let refused = rack.ask(ask(path, "0-0", "x").header(name, value)).await;
        refused.refuses(412, "PreconditionFailed");
    }
    for (name, value) in [
        ("x-amz-copy-source", "/bucket/b"),
        ("x-amz-rename-source", "b"),
        ("x-amz-write-offset-bytes", "5"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "private"),
    ] {
        let refused = rack.ask(ask(path, "0-0", "x").header(name, value)).await;
        refused.refuses(501, "NotImplemented");
    }
    let tags = rack.ask(ask("/bucket/a?tagging", "0-0", "x")).await;
    tags.refuses(501, "NotImplemented");
    assert_holds(&rack, path, "hello").await;
    let matching = ask(path, "0-0", "j").header("if-match", etag);
    rack.ask(matching).await.succeeds();
    assert_holds(&rack, path, "jello").await;
}

#[tokio::test]
async fn who_may_not_put_may_not_write_into() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    rack.put(path, b"hello").await.succeeds();
    let plain = rack.send(ask(path, "0-0", "x").plain()).await;
    plain.refuses(403, "AccessDenied");
    for key in [&rack.reading, &rack.foreign] {
        let refused = rack.send(ask(path, "0-0", "x").signed(key)).await;
        refused.refuses(403, "AccessDenied");
    }
    assert_holds(&rack, path, "hello").await;
}

#[tokio::test]
async fn checksums_are_combined_where_bytes_come_behind_and_else_dropped() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let put = Ask::new("PUT", path).header("x-amz-sdk-checksum-algorithm", "CRC32");
    rack.ask(put.body("123")).await.succeeds();
    let checksum = |answer: super::rack::Answer| {
        let value = answer.headers.get("x-amz-checksum-crc32");
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let head = || Ask::new("HEAD", path).header("x-amz-checksum-mode", "ENABLED");
    rack.ask(ask(path, "3-8", "456789")).await.succeeds();
    let whole = checksum(rack.ask(head()).await.succeeds());
    assert_eq!(whole.as_deref(), Some("y/Q5Jg=="));
    rack.ask(ask(path, "3-3", "x")).await.succeeds();
    assert_eq!(checksum(rack.ask(head()).await.succeeds()), None);
}
