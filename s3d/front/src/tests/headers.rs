//! Headers in the forms that clients send and S3 takes.

use super::rack::{Ask, Rack};

/// Three forms of one date.
const LONG_AGO: [&str; 3] = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
];

#[tokio::test]
async fn dates_are_read_in_all_forms_or_passed_over() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"hello").await.succeeds();
    let get = |name, value: &str| rack.ask(Ask::new("GET", "/bucket/k").header(name, value));
    for date in LONG_AGO {
        let failed = get("if-unmodified-since", date).await;
        let failed = failed.refuses(412, "PreconditionFailed");
        let condition = failed.element("Condition");
        assert_eq!(condition.as_deref(), Some("If-Unmodified-Since"));
        get("if-modified-since", date).await.succeeds();
    }
    for nonsense in ["0", "yesterday", "2030-01-01T00:00:00Z"] {
        get("if-modified-since", nonsense).await.succeeds();
        get("if-unmodified-since", nonsense).await.succeeds();
    }
}

#[tokio::test]
async fn lists_of_tags_are_read() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"hello").await.succeeds();
    let tag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let get = |name, value: String| rack.ask(Ask::new("GET", "/bucket/k").header(name, value));
    get("if-match", format!("\"x\", {tag}")).await.succeeds();
    let failed = get("if-match", "\"x\", \"y\"".into()).await;
    let failed = failed.refuses(412, "PreconditionFailed");
    assert_eq!(failed.element("Condition").as_deref(), Some("If-Match"));
    for had in [format!("W/{tag}"), format!("\"x\", W/{tag}"), "*".into()] {
        let answer = get("if-none-match", had).await;
        assert_eq!(answer.status, 304);
        assert!(answer.body.is_empty());
    }
    get("if-none-match", "\"x\", \"y\"".into()).await.succeeds();
}

#[tokio::test]
async fn ranges_that_mean_nothing_give_the_whole() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"hello").await.succeeds();
    let get = |range: &'static str| rack.ask(Ask::new("GET", "/bucket/k").header("range", range));
    for range in ["bytes=0-1,3-4", "bytes=4-1", "lines=0-1", "nonsense"] {
        let whole = get(range).await.succeeds();
        assert_eq!((whole.status.as_u16(), whole.text()), (200, "hello".into()));
    }
    let part = get("bytes=1-2").await.succeeds();
    assert_eq!((part.status.as_u16(), part.text()), (206, "el".into()));
    let refused = get("bytes=9-10").await.refuses(416, "InvalidRange");
    let requested = refused.element("RangeRequested");
    assert_eq!(requested.as_deref(), Some("bytes=9-10"));
    assert_eq!(refused.element("ActualObjectSize").as_deref(), Some("5"));
    let part = rack.get("/bucket/k?partNumber=2").await;
    part.refuses(416, "InvalidPartNumber");
}

#[tokio::test]
async fn what_describes_an_object_comes_back_as_it_was_sent() {
    let rack = Rack::new().await;
    for expires in ["0", "2030-01-01T00:00:00Z", "Tue, 1 Jan 2030 00:00:00 GMT"] {
        let put = Ask::new("PUT", "/bucket/k").header("expires", expires);
        rack.ask(put).await.succeeds();
        assert_eq!(rack.get("/bucket/k").await.headers["expires"], expires);
    }
    let put = Ask::new("PUT", "/bucket/k").header("content-encoding", "deflate, aws-chunked, gzip");
    rack.ask(put).await.succeeds();
    let back = rack.get("/bucket/k").await;
    assert_eq!(back.headers["content-encoding"], "deflate, gzip");
}

#[tokio::test]
async fn metadata_that_is_not_ascii_comes_back_encoded() {
    let rack = Rack::new().await;
    let signed = Ask::new("PUT", "/bucket/k").header("x-amz-meta-a", "Zo\u{eb}");
    rack.ask(signed).await.succeeds();
    let back = rack.get("/bucket/k").await;
    assert_eq!(back.headers["x-amz-meta-a"], "=?UTF-8?B?Wm/Dqw==?=");
}

#[tokio::test]
async fn headers_that_ask_for_the_default_are_taken() {
    let rack = Rack::new().await;
    let create = Ask::new("PUT", "/rclones-bucket");
    let create = create.header("x-amz-bucket-object-lock-enabled", "false");
    rack.ask(create).await.succeeds();
    let put = Ask::new("PUT", "/bucket/k")
        .header("x-amz-storage-class", "STANDARD")
        .header("x-amz-object-lock-legal-hold", "OFF")
        .header("x-amz-server-side-encryption-bucket-key-enabled", "false");
    rack.ask(put).await.succeeds();
    let upload = Ask::new("POST", "/bucket/form?uploads");
    let upload = upload.header("content-type", "multipart/form-data; boundary=x");
    rack.ask(upload).await.succeeds();
}

#[tokio::test]
async fn a_body_may_have_no_trailer_after_all() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", "5")
        .body("5\r\nhello\r\n0\r\n\r\n");
    rack.ask(put).await.succeeds();
    assert_eq!(rack.get("/bucket/k").await.text(), "hello");
}

#[tokio::test]
async fn every_answer_has_its_ids() {
    let rack = Rack::new().await;
    let refused = rack.get("/bucket/k%20l").await.refuses(404, "NoSuchKey");
    assert_eq!(
        refused.element("Resource").as_deref(),
        Some("/bucket/k%20l")
    );
    let host = refused.headers["x-amz-id-2"].to_str().unwrap();
    assert_eq!(refused.element("HostId").as_deref(), Some(host));
    assert_eq!(refused.headers["server"], "Hayrack");
    let head = rack.ask(Ask::new("HEAD", "/bucket/k")).await;
    assert_eq!(head.status, 404);
    assert!(head.body.is_empty() && head.headers.contains_key("x-amz-request-id"));
}

#[tokio::test]
async fn cdata_is_text() {
    let rack = Rack::new().await;
    rack.put("/bucket/a&b", b"x").await.succeeds();
    let delete = "<Delete><Object><Key><![CDATA[a&b]]></Key></Object></Delete>";
    let delete = Ask::new("POST", "/bucket?delete").body(delete);
    let deleted = rack.ask(delete).await.succeeds();
    assert_eq!(deleted.element("Key").as_deref(), Some("a&amp;b"));
    rack.get("/bucket/a&b").await.refuses(404, "NoSuchKey");
}
