//! Requests of old clients, which sign with Signature Version 2.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::rack::{Ask, Rack};
use crate::signature::version2::sign;

fn now() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

/// Signs in the header what is asked for; `text`: what is signed, but for method and date.
fn signed(rack: &Rack, ask: Ask<'_>, text: &str) -> Request<Body> {
    let date = now();
    let text = format!("{}\n\n\n{date}\n{text}", ask.method);
    let signature = sign(&rack.key.secret, text.as_bytes());
    let authorization = format!("AWS {}:{signature}", rack.key.id);
    let ask = ask.header("date", date);
    ask.header("authorization", authorization).plain()
}

/// The target of a presigned URL that lives for a minute; `text`: what is signed behind its end.
fn presigned(rack: &Rack, method: &str, target: &str, text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = now.as_secs() + 60;
    let text = format!("{method}\n\n\n{end}\n{text}");
    let signature = sign(&rack.key.secret, text.as_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    let id = &rack.key.id;
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}AWSAccessKeyId={id}&Expires={end}&Signature={signature}")
}

#[tokio::test]
async fn objects_come_and_go() {
    let rack = Rack::new().await;
    let ask = |ask, text| rack.send(signed(&rack, ask, text));
    let put = Ask::new("PUT", "/bucket/k").header("x-amz-meta-a", "b");
    let text = "x-amz-meta-a:b\n/bucket/k";
    ask(put.body("hello"), text).await.succeeds();
    let host = Ask::new("GET", "/k?response-content-type=a%2Fb").host("bucket.s3.example.org");
    let got = ask(host, "/bucket/k?response-content-type=a/b").await;
    let got = got.succeeds();
    assert_eq!(
        (got.text().as_str(), &got.headers["content-type"]),
        ("hello", &"a/b".parse().unwrap())
    );
    assert_eq!(got.headers["x-amz-meta-a"], "b");
    let listed = ask(Ask::new("GET", "/bucket?list-type=2&prefix=k"), "/bucket").await;
    assert_eq!(listed.succeeds().element("Key").as_deref(), Some("k"));
    // botocore puts a slash behind a bucket that it signs.
    let listed = ask(Ask::new("GET", "/bucket"), "/bucket/").await;
    assert_eq!(listed.succeeds().element("Key").as_deref(), Some("k"));
    let other = ask(Ask::new("GET", "/bucket/l"), "/bucket/k").await;
    other.refuses(403, "SignatureDoesNotMatch");
    let block = ask(Ask::new("DELETE", "/bucket?publicAccessBlock"), "/bucket").await;
    block.refuses(400, "InvalidRequest");
    ask(Ask::new("DELETE", "/bucket/k"), "/bucket/k")
        .await
        .succeeds();
}

#[tokio::test]
async fn no_other_host_takes_a_signature() {
    let rack = Rack::new().await;
    rack.put("/other/bucket/k", b"theirs").await.succeeds();
    let ask = Ask::new("GET", "/bucket/k").host("other.s3.example.org");
    let answer = rack.send(signed(&rack, ask, "/bucket/k")).await;
    answer.refuses(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn presigned_urls_carry_headers() {
    let rack = Rack::new().await;
    let target = "/bucket/k?x-amz-acl=public-read&content-type=a%2Fb";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = now.as_secs() + 60;
    let text = format!("PUT\n\na/b\n{end}\nx-amz-acl:public-read\n/bucket/k");
    let signature = sign(&rack.key.secret, text.as_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    let id = &rack.key.id;
    let target = format!("{target}&AWSAccessKeyId={id}&Expires={end}&Signature={signature}");
    rack.send(Ask::new("PUT", &target).body("hello").plain())
        .await
        .succeeds();
    let anyone = rack.send(Ask::new("GET", "/bucket/k").plain()).await;
    assert_eq!(anyone.succeeds().headers["content-type"], "a/b");
    let target = presigned(&rack, "GET", "/bucket/k?acl", "/bucket/k?acl");
    let acl = rack.send(Ask::new("GET", &target).plain()).await.succeeds();
    assert!(acl.text().contains("AllUsers"), "{}", acl.text());
    let without = target.replace("?acl&", "?");
    let refused = rack.send(Ask::new("GET", &without).plain()).await;
    refused.refuses(403, "SignatureDoesNotMatch");
    let unlimited = target.replace("Expires", "expires");
    let refused = rack.send(Ask::new("GET", &unlimited).plain()).await;
    refused.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn signed_chunks_have_nothing_to_build_on() {
    let rack = Rack::new().await;
    let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let ask = Ask::new("PUT", "/bucket/k")
        .header("x-amz-content-sha256", hash)
        .header("x-amz-decoded-content-length", "1")
        .body("1;chunk-signature=x\r\nx\r\n0;chunk-signature=x\r\n\r\n");
    let text = format!("x-amz-content-sha256:{hash}\nx-amz-decoded-content-length:1\n/bucket/k");
    let answer = rack.send(signed(&rack, ask, &text)).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}
