//! Appends.

use super::rack::{Answer, Ask, Rack};

fn ask<'a>(path: &'a str, offset: usize, body: &str) -> Ask<'a> {
    Ask::new("PUT", path)
        .header("x-amz-write-offset-bytes", offset.to_string())
        .body(body)
}

fn ask_with<'a>(path: &'a str, offset: usize, body: &str, algorithm: &str) -> Ask<'a> {
    ask(path, offset, body).header("x-amz-sdk-checksum-algorithm", algorithm)
}

fn head_of(path: &str) -> Ask<'_> {
    Ask::new("HEAD", path).header("x-amz-checksum-mode", "ENABLED")
}

async fn append(rack: &Rack, path: &str, offset: usize, body: &str) -> Answer {
    rack.ask(ask(path, offset, body)).await
}

async fn assert_holds(rack: &Rack, path: &str, text: &str) {
    assert_eq!(rack.get(path).await.succeeds().text(), text);
}

#[tokio::test]
async fn an_object_goes_on_where_it_ends() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let mut text = String::new();
    let mut etags = Vec::new();
    for piece in ["one", " two", " three"] {
        let answer = append(&rack, path, text.len(), piece).await.succeeds();
        text.push_str(piece);
        let size = text.len().to_string();
        assert_eq!(answer.headers["x-amz-object-size"], size.as_str());
        assert_holds(&rack, path, &text).await;
        let head = rack.ask(Ask::new("HEAD", path)).await.succeeds();
        assert_eq!(head.headers["etag"], answer.headers["etag"]);
        assert_eq!(head.headers["content-length"], size.as_str());
        etags.push(answer.headers["etag"].to_str().unwrap().to_owned());
    }
    // That of the first is the MD5 of its bytes.
    assert_eq!(etags[0], "\"f97c5d29941bfb1b2fdab0874906ab82\"");
    assert!(
        etags[1].ends_with("-2\"") && etags[2].ends_with("-3\""),
        "{etags:?}"
    );
    // A plain put is none that appends.
    let put = rack.put(path, b"new").await.succeeds();
    assert!(!put.headers.contains_key("x-amz-object-size"));
    assert_holds(&rack, path, "new").await;
    // What is there and empty goes on as well.
    rack.put("/bucket/empty", b"").await.succeeds();
    append(&rack, "/bucket/empty", 0, "x").await.succeeds();
    assert_holds(&rack, "/bucket/empty", "x").await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    rack.put(path, b"hello").await.succeeds();
    for offset in [0, 4, 6] {
        let refused = append(&rack, path, offset, "x").await;
        refused.refuses(400, "InvalidWriteOffset");
    }
    append(&rack, "/bucket/never", 5, "x")
        .await
        .refuses(400, "InvalidWriteOffset");
    for offset in ["-1", "five", ""] {
        let ask = Ask::new("PUT", path).header("x-amz-write-offset-bytes", offset);
        let refused = rack.ask(ask.body("x")).await;
        assert_eq!(refused.status, 400, "{offset}: {}", refused.text());
    }
    for (path, offset) in [(path, 5), ("/bucket/never", 0)] {
        append(&rack, path, offset, "")
            .await
            .refuses(400, "InvalidRequest");
    }
    for (name, value) in [
        ("x-amz-meta-colour", "green"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        (
            "x-amz-grant-read",
            "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"",
        ),
    ] {
        let described = ask(path, 5, "x").header(name, value);
        rack.ask(described).await.refuses(400, "InvalidRequest");
    }
    let corrupt = ask(path, 5, "x").header("x-amz-checksum-crc32", "AAAAAA==");
    rack.ask(corrupt).await.refuses(400, "BadDigest");
    let part = Ask::new("PUT", "/bucket/a?partNumber=1&uploadId=x");
    let part = part.header("x-amz-write-offset-bytes", "5").body("x");
    rack.ask(part).await.refuses(501, "NotImplemented");
    assert_holds(&rack, path, "hello").await;
    rack.get("/bucket/never").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn conditions_are_about_what_is_there() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let put = rack.put(path, b"hello").await.succeeds();
    let etag = put.headers["etag"].to_str().unwrap();
    for (name, value) in [
        ("if-match", "\"other\""),
        ("if-none-match", "*"),
        ("if-none-match", etag),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let refused = rack.ask(ask(path, 5, "x").header(name, value)).await;
        refused.refuses(412, "PreconditionFailed");
    }
    let absent = ask("/bucket/never", 0, "x").header("if-match", etag);
    rack.ask(absent).await.refuses(404, "NoSuchKey");
    let matching = ask(path, 5, " x").header("if-match", etag);
    rack.ask(matching).await.succeeds();
    assert_holds(&rack, path, "hello x").await;
    let new = ask("/bucket/new", 0, "x").header("if-none-match", "*");
    rack.ask(new).await.succeeds();
}

#[tokio::test]
async fn what_describes_an_object_stays() {
    let rack = Rack::new().await;
    let path = "/bucket/a";
    let create = ask(path, 0, "hello")
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "green")
        .header("x-amz-tagging", "size=small")
        .header("x-amz-acl", "public-read");
    rack.ask(create).await.succeeds();
    let more = ask(path, 5, " world").header("content-type", "image/png");
    rack.ask(more).await.succeeds();
    let found = rack.send(Ask::new("GET", path).plain()).await.succeeds();
    assert_eq!(found.text(), "hello world");
    assert_eq!(found.headers["content-type"], "text/plain");
    assert_eq!(found.headers["x-amz-meta-colour"], "green");
    let head = rack.ask(head_of(path)).await.succeeds();
    assert_eq!(head.headers["x-amz-tagging-count"], "1");
}

#[tokio::test]
async fn checksums_of_the_whole_are_combined_or_dropped() {
    let rack = Rack::new().await;
    for (algorithm, header, whole) in [
        ("CRC32", "x-amz-checksum-crc32", Some("y/Q5Jg==")),
        ("CRC32C", "x-amz-checksum-crc32c", Some("4waSgw==")),
        (
            "CRC64NVME",
            "x-amz-checksum-crc64nvme",
            Some("rosUhgp5mIg="),
        ),
        ("SHA256", "x-amz-checksum-sha256", None),
    ] {
        let path = format!("/bucket/{algorithm}");
        let create = ask_with(&path, 0, "123", algorithm);
        rack.ask(create).await.succeeds();
        let other = if algorithm == "CRC32" {
            "CRC32C"
        } else {
            "CRC32"
        };
        let refused = rack.ask(ask_with(&path, 3, "456", other)).await;
        refused.refuses(400, "InvalidRequest");
        // One append names the algorithm, the other does not.
        let named = rack.ask(ask_with(&path, 3, "456", algorithm)).await;
        named.succeeds();
        let answer = append(&rack, &path, 6, "789").await.succeeds();
        let found = rack.ask(head_of(&path)).await.succeeds();
        for headers in [&answer.headers, &found.headers] {
            let value = headers.get(header).map(|value| value.to_str().unwrap());
            assert_eq!(value, whole, "{algorithm}");
        }
        if whole.is_some() {
            assert_eq!(found.headers["x-amz-checksum-type"], "FULL_OBJECT");
        }
    }
    // One that has none gets none, whatever the addition says of itself.
    rack.put("/bucket/none", b"123").await.succeeds();
    rack.ask(ask_with("/bucket/none", 3, "456", "CRC32"))
        .await
        .succeeds();
    let found = rack.ask(head_of("/bucket/none")).await.succeeds();
    assert!(!found.headers.contains_key("x-amz-checksum-crc32"));
}

#[tokio::test]
async fn what_had_parts_is_one_piece_then() {
    let rack = Rack::new().await;
    let begun = rack.ask(Ask::new("POST", "/bucket/a?uploads")).await;
    let id = begun.succeeds().element("UploadId").unwrap();
    let target = format!("/bucket/a?partNumber=1&uploadId={id}");
    let part = rack.ask(Ask::new("PUT", &target).body("hello")).await;
    let etag = part.succeeds().headers["etag"].clone();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        etag.to_str().unwrap()
    );
    let complete = format!("/bucket/a?uploadId={id}");
    let complete = || Ask::new("POST", &complete).body(document.clone());
    rack.ask(complete()).await.succeeds();
    let answer = append(&rack, "/bucket/a", 5, " world").await.succeeds();
    assert!(answer.headers["etag"].to_str().unwrap().ends_with("-2\""));
    let first = rack.get("/bucket/a?partNumber=1").await.succeeds();
    assert_eq!(first.text(), "hello world");
    assert!(!first.headers.contains_key("x-amz-mp-parts-count"));
    rack.get("/bucket/a?partNumber=2")
        .await
        .refuses(416, "InvalidPartNumber");
    // The upload made another object.
    rack.ask(complete()).await.refuses(404, "NoSuchUpload");
    let copied = Ask::new("PUT", "/bucket/b").header("x-amz-copy-source", "bucket/a");
    rack.ask(copied).await.succeeds();
    append(&rack, "/bucket/b", 11, "!").await.succeeds();
    assert_holds(&rack, "/bucket/a", "hello world").await;
    assert_holds(&rack, "/bucket/b", "hello world!").await;
}

#[tokio::test]
async fn nobody_appends_who_may_not_put() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"hello").await.succeeds();
    for request in [
        ask("/bucket/a", 5, "x").plain(),
        ask("/bucket/a", 5, "x").signed(&rack.foreign),
        ask("/bucket/a", 5, "x").signed(&rack.reading),
        ask("/other/a", 0, "x").signed(&rack.narrow),
    ] {
        rack.send(request).await.refuses(403, "AccessDenied");
    }
    assert_holds(&rack, "/bucket/a", "hello").await;
    let narrow = ask("/bucket/a", 5, "!").signed(&rack.narrow);
    rack.send(narrow).await.succeeds();
    assert_holds(&rack, "/bucket/a", "hello!").await;
}
