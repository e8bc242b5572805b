//! What must not slip through: each of these would be a wrong answer that looks right.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request};
use sha2::{Digest as _, Sha256};

use super::rack::{Ask, HOST, Rack};
use crate::signature::Seed;
use crate::signature::chunks::ChunkSigner;
use crate::signature::key::hex;
use crate::signature::time::SigningTime;
use s3d_accounts::Key;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_presigned_url_gains_no_headers() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k").body("x");
    let mut request = put.presigned(&rack.key, MINUTE);
    request
        .headers_mut()
        .insert("x-amz-acl", "public-read".parse().unwrap());
    rack.send(request).await.refuses(403, "AccessDenied");
    let mut request = put.signed(&rack.key);
    request
        .headers_mut()
        .insert("x-amz-meta-a", "b".parse().unwrap());
    rack.send(request).await.refuses(403, "AccessDenied");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
    rack.send(put.presigned(&rack.key, MINUTE)).await.succeeds();
}

#[tokio::test]
async fn a_presigned_url_lives_as_long_as_it_says_and_a_week_at_most() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let get = Ask::new("GET", "/bucket/k");
    rack.send(get.presigned(&rack.key, 7 * DAY))
        .await
        .succeeds();
    let longer = rack.send(get.presigned(&rack.key, 8 * DAY)).await;
    longer.refuses(403, "AuthorizationQueryParametersError");
    let old = get.clone().time(SystemTime::now() - 2 * MINUTE);
    rack.send(old.presigned(&rack.key, MINUTE))
        .await
        .refuses(403, "AccessDenied");
    let old = get.time(SystemTime::now() - 20 * MINUTE);
    rack.ask(old).await.refuses(403, "RequestTimeTooSkewed");
}

#[tokio::test]
async fn any_region_may_be_signed_for_and_by_nobody_else() {
    let rack = Rack::new().await;
    for region in ["US", "Falkenstein 1", "eu_west", "eu.west", "us-east-1"] {
        let put = Ask::new("PUT", "/bucket/k").region(region).body(region);
        rack.ask(put).await.succeeds();
        let get = Ask::new("GET", "/bucket/k").region(region);
        let got = rack.send(get.presigned(&rack.key, MINUTE)).await.succeeds();
        assert_eq!(got.text(), region);
        let listed = rack.ask(Ask::new("GET", "/bucket?list-type=2&prefix=k").region(region));
        assert_eq!(listed.await.succeeds().element("Key").as_deref(), Some("k"));
        let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
        let delete = Ask::new("POST", "/bucket?delete")
            .region(region)
            .body(delete);
        let digest = "x-amz-checksum-sha256";
        let sum = crate::checksum::of_bytes(s3d_bucket::ChecksumAlgorithm::Sha256, &delete.body);
        rack.ask(delete.header(digest, sum)).await.succeeds();
        rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
    }
    rack.put("/bucket/k", b"ours").await.succeeds();
    let get = Ask::new("GET", "/bucket/k").region("US");
    let forged = Key {
        secret: rack.foreign.secret.clone(),
        ..rack.key.clone()
    };
    for request in [get.signed(&forged), get.presigned(&forged, MINUTE)] {
        rack.send(request)
            .await
            .refuses(403, "SignatureDoesNotMatch");
    }
    for request in [
        get.signed(&rack.foreign),
        get.presigned(&rack.foreign, MINUTE),
    ] {
        rack.send(request).await.refuses(403, "AccessDenied");
    }
    let old = get.time(SystemTime::now() - 2 * DAY);
    rack.send(old.signed(&rack.key))
        .await
        .refuses(403, "RequestTimeTooSkewed");
    rack.send(old.presigned(&rack.key, MINUTE))
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn hoisted_parameters_count_and_the_checksum_of_nothing_does_not() {
    let rack = Rack::new().await;
    let put = |target, body: &'static str| {
        rack.send(
            Ask::new("PUT", target)
                .body(body)
                .presigned(&rack.key, MINUTE),
        )
    };
    let target = "/bucket/k?X-Amz-Acl=public-read&x-amz-checksum-crc32=AAAAAA%3D%3D\
                  &x-amz-sdk-checksum-algorithm=CRC32&x-amz-meta-a=b";
    let stored = put(target, "hello").await.succeeds();
    assert_eq!(stored.headers["x-amz-checksum-crc32"], "NhCmhg==");
    let anyone = rack
        .send(Ask::new("GET", "/bucket/k").plain())
        .await
        .succeeds();
    assert_eq!(anyone.headers["x-amz-meta-a"], "b");
    let wrong = "/bucket/l?x-amz-checksum-crc32=NhCmhg%3D%3D";
    put(wrong, "hallo").await.refuses(400, "BadDigest");
    put("/bucket/l?X-Amz-Object-Lock-Mode=GOVERNANCE", "x")
        .await
        .refuses(501, "NotImplemented");
    rack.get("/bucket/l").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn what_is_not_built_is_no_success() {
    let rack = Rack::new().await;
    for (method, target) in [
        ("PUT", "/bucket/k?annotation"),
        ("PUT", "/bucket/k?partNumber=1"),
        ("PUT", "/bucket?lifecycle"),
        ("GET", "/bucket?metadataTable"),
        ("POST", "/bucket"),
        ("PATCH", "/bucket"),
    ] {
        rack.ask(Ask::new(method, target).body("x"))
            .await
            .refuses(501, "NotImplemented");
    }
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-storage-class", "GLACIER"),
    ] {
        let ask = Ask::new("PUT", "/bucket/k").header(name, value).body("x");
        let answer = rack.ask(ask).await.refuses(501, "NotImplemented");
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn bodies_that_are_not_what_was_promised_are_not_stored() {
    let rack = Rack::new().await;
    let put = || Ask::new("PUT", "/bucket/k").body("hello");
    let hash = hex(&Sha256::digest(b"hallo"));
    rack.ask(put().payload(&hash))
        .await
        .refuses(400, "XAmzContentSHA256Mismatch");
    let refused = |name, value, code| (put().header(name, value), code);
    for (ask, code) in [
        refused("content-md5", "XUFAKrxLKna5cZ2REBfFkQ==", "BadDigest"),
        refused("content-md5", "xyz", "InvalidDigest"),
        refused("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        refused("x-amz-checksum-crc32", "xyz", "BadDigest"),
        refused("content-length", "6", "IncompleteBody"),
    ] {
        rack.ask(ask).await.refuses(400, code);
    }
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let delete = Ask::new("POST", "/bucket?delete").body(delete);
    rack.ask(delete.clone().payload(&hash))
        .await
        .refuses(400, "XAmzContentSHA256Mismatch");
    let delete = delete.header("content-md5", "XUFAKrxLKna5cZ2REBfFkQ==");
    rack.ask(delete).await.refuses(400, "BadDigest");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn unsigned_chunks_keep_their_promises() {
    let rack = Rack::new().await;
    let put = |body: &str, length: &str, trailer: &str| {
        rack.ask(
            Ask::new("PUT", "/bucket/k")
                .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
                .header("x-amz-decoded-content-length", length)
                .header("x-amz-trailer", trailer)
                .header("content-encoding", "aws-chunked")
                .body(body),
        )
    };
    let crc = "x-amz-checksum-crc32";
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let bad = good.replace("NhCmhg==", "NhCmhA==");
    put(good, "6", crc).await.refuses(400, "IncompleteBody");
    put(good, "4", crc).await.refuses(400, "IncompleteBody");
    put(&bad, "5", crc).await.refuses(400, "BadDigest");
    put(&good[..10], "5", crc)
        .await
        .refuses(400, "IncompleteBody");
    put("5\r\nhello\r\n0\r\n\r\n", "5", crc)
        .await
        .refuses(400, "MalformedTrailerError");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
    let stored = put(good, "5", crc).await.succeeds();
    assert_eq!(stored.headers[crc], "NhCmhg==");
    let back = rack.get("/bucket/k").await;
    assert_eq!(back.text(), "hello");
    assert!(!back.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn signed_chunks_keep_their_promises() {
    let rack = Rack::new().await;
    let ask = Ask::new("PUT", "/bucket/k")
        .payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("x-amz-decoded-content-length", "5");
    let request = ask.signed(&rack.key);
    let date = request.headers()["x-amz-date"].to_str().unwrap();
    let signature = request.headers()["authorization"].to_str().unwrap();
    let signature = signature.rsplit_once("Signature=").unwrap().1;
    let seed = Seed {
        scope: format!("{}/anywhere-7/s3/aws4_request", &date[..8]),
        time: SigningTime::parse(date).unwrap(),
        signature: signature.to_owned(),
    };
    let body = |said: &[u8], sent: &str| {
        let mut chain = ChunkSigner::new(&rack.key.secret, &seed);
        let empty = hex(&Sha256::digest(b""));
        let mut sign = |bytes: &[u8]| {
            let hash = hex(&Sha256::digest(bytes));
            chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &format!("{empty}\n{hash}"))
        };
        let (first, last) = (sign(said), sign(b""));
        format!("5;chunk-signature={first}\r\n{sent}\r\n0;chunk-signature={last}\r\n\r\n")
    };
    let send = |body: String| {
        let mut sent = Request::builder().method("PUT").uri("/bucket/k");
        *sent.headers_mut().unwrap() = request.headers().clone();
        rack.send(sent.body(Body::from(body)).unwrap())
    };
    send(body(b"hello", "hallo"))
        .await
        .refuses(403, "SignatureDoesNotMatch");
    send("5\r\nhello\r\n0\r\n\r\n".into())
        .await
        .refuses(403, "SignatureDoesNotMatch");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
    send(body(b"hello", "hello")).await.succeeds();
    assert_eq!(rack.get("/bucket/k").await.text(), "hello");
}

#[tokio::test]
async fn wrong_signatures_are_refused() {
    let rack = Rack::new().await;
    let get = Ask::new("GET", "/bucket/k");
    let mut key = rack.key.clone();
    key.secret.push('x');
    rack.send(get.signed(&key))
        .await
        .refuses(403, "SignatureDoesNotMatch");
    rack.send(get.presigned(&key, MINUTE))
        .await
        .refuses(403, "SignatureDoesNotMatch");
    key.id = format!("HR{}", "A".repeat(18));
    rack.send(get.signed(&key))
        .await
        .refuses(403, "InvalidAccessKeyId");
    let date = httpdate::fmt_http_date(SystemTime::now());
    let other = |mechanism| {
        let get = get.clone().header("authorization", mechanism);
        get.header("date", &date).plain()
    };
    for (mechanism, status, code) in [
        ("AWS id:signature", 403, "InvalidAccessKeyId"),
        ("AWS HAHAHA", 400, "InvalidArgument"),
        ("Bearer x", 400, "InvalidArgument"),
        ("AWS4-HMAC-SHA256 x", 400, "AuthorizationHeaderMalformed"),
        ("", 403, "AccessDenied"),
    ] {
        rack.send(other(mechanism)).await.refuses(status, code);
    }
    let dateless = get.clone().header("authorization", "AWS id:signature");
    rack.send(dateless.plain())
        .await
        .refuses(403, "AccessDenied");
    // Signed for one host, sent to another.
    let mut moved = get.signed(&rack.key);
    moved
        .headers_mut()
        .insert("host", format!("bucket.{HOST}").parse().unwrap());
    rack.send(moved).await.refuses(403, "SignatureDoesNotMatch");
}

/// The request with the same bytes as its body, which tells when they are asked for.
fn watched(request: Request<Body>, bytes: &'static str) -> (Request<Body>, Arc<AtomicBool>) {
    let asked = Arc::new(AtomicBool::new(false));
    let told = asked.clone();
    let body = Body::from_stream(stream::once(async move {
        told.store(true, Ordering::SeqCst);
        Ok::<_, Infallible>(Bytes::from_static(bytes.as_bytes()))
    }));
    (request.map(|_| body), asked)
}

#[tokio::test]
async fn nobody_unknown_or_unwanted_has_a_document_read() {
    const DELETE: &str = "<Delete><Object><Key>k</Key></Object></Delete>";
    let rack = Rack::new().await;
    let delete = Ask::new("POST", "/bucket?delete").body(DELETE);
    let mut forged = delete.signed(&rack.key);
    let signature = forged.headers()["authorization"].to_str().unwrap();
    let other = if signature.ends_with('0') { '1' } else { '0' };
    let signature = format!("{}{other}", &signature[..signature.len() - 1]);
    let signature = HeaderValue::try_from(signature).unwrap();
    forged.headers_mut().insert("authorization", signature);
    let refused = [
        (delete.plain(), 403, "AccessDenied"),
        (forged, 403, "SignatureDoesNotMatch"),
        (delete.signed(&rack.foreign), 403, "AccessDenied"),
    ];
    for (request, status, code) in refused {
        let (request, asked) = watched(request, DELETE);
        rack.send(request).await.refuses(status, code);
        assert!(!asked.load(Ordering::SeqCst), "{code}");
    }
    let (request, asked) = watched(delete.signed(&rack.key), DELETE);
    rack.send(request).await.succeeds();
    assert!(asked.load(Ordering::SeqCst));
}
