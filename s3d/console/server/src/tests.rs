use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

async fn get(path: &str, encoding: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).header(ACCEPT_ENCODING, encoding);
    let request = request.body(Body::empty()).unwrap();
    let answer = router("http://s3.localhost:9000").oneshot(request).await;
    let (parts, body) = answer.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (
        parts.status,
        parts.headers,
        String::from_utf8_lossy(&bytes).into_owned(),
    )
}

#[tokio::test]
async fn every_answer_keeps_strangers_out() {
    for path in ["/console/", "/console/buckets/b", "/console/assets/gone.js"] {
        let (_, headers, _) = get(path, "").await;
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("connect-src 'self' http://s3.localhost:9000;"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[OPENER_POLICY], "same-origin");
        assert_eq!(headers[REFERRER_POLICY], "same-origin");
    }
}

#[tokio::test]
async fn a_place_is_the_page_and_a_missing_file_is_missing() {
    let built = matches!(find(""), Found::File(_));
    for path in ["/console/", "/console/buckets/b"] {
        let (status, headers, body) = get(path, "").await;
        assert!(body.contains("<!doctype html>"), "{body}");
        if built {
            assert_eq!(
                (status, &headers[CACHE_CONTROL]),
                (StatusCode::OK, &HeaderValue::from_static("no-cache"))
            );
        } else {
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert!(body.contains("make console"));
        }
    }
    let (status, ..) = get("/console/assets/gone.js", "br").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, headers, _) = get("/", "").await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(headers["location"], "/console/");
}

#[test]
fn encodings_are_taken_as_they_are_named() {
    let taken = |value: &'static str, encoding| {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        accepts(&headers, encoding)
    };
    assert!(taken("gzip, deflate, br;q=0.5", "br"));
    assert!(!taken("gzip, br;q=0", "br"));
    assert!(!taken("", "gzip"));
}
