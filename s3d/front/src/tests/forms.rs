//! Objects that browsers post in forms.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use s3d_accounts::Key;
use serde_json::{Value, json};

use super::rack::{Ask, HOST, Rack};
use crate::signature::key::SigningKey;

/// A form with these fields in front of its file.
fn form(fields: &[(&str, &str)], file: &str) -> Request<Body> {
    const FIELD: &str = "--x\r\nContent-Disposition: form-data; name=";
    let mut body = String::new();
    for (name, value) in fields {
        body.extend([FIELD, "\"", name, "\"\r\n\r\n", value, "\r\n"]);
    }
    body.extend([FIELD, "\"file\"; filename=\"a.txt\"\r\n"]);
    body.extend(["Content-Type: text/html\r\n\r\n", file, "\r\n--x--\r\n"]);
    let post = Ask::new("POST", "/bucket").body(body);
    post.header("content-type", "multipart/form-data; boundary=x")
        .plain()
}

/// A policy that lives for an hour, and the fields that sign it.
fn signed(key: &Key, conditions: &str) -> Vec<(&'static str, String)> {
    let now = time::OffsetDateTime::now_utc();
    let day = now.date().to_string().replace('-', "");
    let scope = format!("{day}/eu/s3/aws4_request");
    let expires = now + Duration::from_hours(1);
    let expires = expires
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let fields = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", format!("{}/{scope}", key.id)),
        ("x-amz-date", format!("{day}T000000Z")),
    ];
    let own = fields.iter().map(|(name, value)| json!({ *name: value }));
    let more: Vec<Value> = serde_json::from_str(&format!("[{conditions}]")).unwrap();
    let conditions: Vec<Value> = own
        .chain([json!({ "bucket": "bucket" })])
        .chain(more)
        .collect();
    let policy = json!({ "expiration": expires, "conditions": conditions }).to_string();
    let policy = STANDARD.encode(policy);
    let signature = SigningKey::derive(&key.secret, &scope).sign(policy.as_bytes());
    let more = [("policy", policy), ("x-amz-signature", signature)];
    fields.into_iter().chain(more).collect()
}

fn all<'a>(
    fields: &[(&'a str, &'a str)],
    signed: &'a [(&'static str, String)],
) -> Vec<(&'a str, &'a str)> {
    let signed = signed.iter().map(|(name, value)| (*name, value.as_str()));
    fields.iter().copied().chain(signed).collect()
}

const ANY_KEY: &str = r#"["starts-with","$key",""]"#;

#[tokio::test]
async fn a_form_within_its_policy_is_stored() {
    let rack = Rack::new().await;
    let conditions = r#"["starts-with","$key","up/"],["starts-with","$Content-Type","text/"],
                        {"x-amz-meta-a":"b"},["content-length-range",1,5]"#;
    let signed = signed(&rack.key, conditions);
    let fields = [
        ("Key", "up/${filename}"),
        ("Content-Type", "text/plain"),
        ("X-Amz-Meta-A", "b"),
    ];
    let answer = rack.send(form(&all(&fields, &signed), "hello")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.headers["location"],
        format!("http://{HOST}/bucket/up%2Fa.txt")
    );
    let back = rack.get("/bucket/up/a.txt").await.succeeds();
    assert_eq!(back.text(), "hello");
    assert_eq!(back.headers["content-type"], "text/plain");
    assert_eq!(back.headers["x-amz-meta-a"], "b");
    let longer = rack.send(form(&all(&fields, &signed), "hello!")).await;
    longer.refuses(400, "EntityTooLarge");
    let shorter = rack.send(form(&all(&fields, &signed), "")).await;
    shorter.refuses(400, "EntityTooSmall");
}

#[tokio::test]
async fn a_form_beyond_its_policy_is_not() {
    let rack = Rack::new().await;
    let policy = signed(&rack.key, r#"["starts-with","$key","up/"]"#);
    let post = |fields: &[(&str, &str)], policy| rack.send(form(&all(fields, policy), "x"));
    post(&[("key", "down/k")], &policy)
        .await
        .refuses(403, "AccessDenied");
    let extra = [("key", "up/k"), ("acl", "public-read")];
    post(&extra, &policy).await.refuses(403, "AccessDenied");
    post(&[], &policy).await.refuses(403, "AccessDenied");
    let mut forged = policy.clone();
    forged[3].1 = signed(&rack.key, ANY_KEY)[3].1.clone();
    let key = [("key", "down/k")];
    post(&key, &forged)
        .await
        .refuses(403, "SignatureDoesNotMatch");
    let foreign = signed(&rack.foreign, ANY_KEY);
    post(&key, &foreign).await.refuses(403, "AccessDenied");
    post(&key, &[]).await.refuses(403, "AccessDenied");
    rack.get("/bucket/down/k").await.refuses(404, "NoSuchKey");
    rack.get("/bucket/up/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_checksum_needs_no_condition_and_is_checked() {
    let rack = Rack::new().await;
    let policy = signed(&rack.key, ANY_KEY);
    let post = |value| {
        let fields = [("key", "k"), ("x-amz-checksum-crc32", value)];
        rack.send(form(&all(&fields, &policy), "hello"))
    };
    post("NhCmhg==").await.succeeds();
    let get = Ask::new("GET", "/bucket/k").header("x-amz-checksum-mode", "ENABLED");
    let stored = rack.ask(get).await.succeeds();
    assert_eq!(stored.headers["x-amz-checksum-crc32"], "NhCmhg==");
    post("AAAAAA==").await.refuses(400, "BadDigest");
    post("nonsense").await.refuses(400, "BadDigest");
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let rack = Rack::new().await;
    let post = |body: &str, kind| {
        let post = Ask::new("POST", "/bucket").body(body);
        rack.send(post.header("content-type", kind).plain())
    };
    let kind = "multipart/form-data; boundary=x";
    post("nonsense", kind)
        .await
        .refuses(400, "MalformedPOSTRequest");
    post("", "multipart/form-data")
        .await
        .refuses(400, "MalformedPOSTRequest");
    post("--x--\r\n", kind)
        .await
        .refuses(400, "InvalidArgument");
    let long = "x".repeat(30 << 10);
    let long = rack.send(form(&[("key", &long)], "x")).await;
    long.refuses(400, "MaxPostPreDataLengthExceededError");
    let signed = signed(&rack.key, ANY_KEY);
    let empty = rack.send(form(&all(&[("key", "")], &signed), "x")).await;
    empty.refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn the_sender_chooses_the_answer() {
    let rack = Rack::new().await;
    let conditions = format!("{ANY_KEY},[\"starts-with\",\"$success_action_status\",\"\"]");
    let policy = signed(&rack.key, &conditions);
    let fields = [("key", "k"), ("success_action_status", "201")];
    let answer = rack.send(form(&all(&fields, &policy), "hello")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.element("Key").as_deref(), Some("k"));
    let conditions = format!("{ANY_KEY},[\"starts-with\",\"$success_action_redirect\",\"\"]");
    let policy = signed(&rack.key, &conditions);
    let fields = [("key", "k"), ("success_action_redirect", "http://page/")];
    let answer = rack.send(form(&all(&fields, &policy), "hello")).await;
    assert_eq!(answer.status, 303);
    let page = "http://page/?bucket=bucket&key=k&etag=%225d41402abc4b2a76b9719d911017c592%22";
    assert_eq!(answer.headers["location"], page);
}
