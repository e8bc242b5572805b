//! Against AWS's own signer.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use proptest::prelude::*;

use super::{Claim, Received, SignatureError};
use crate::query::Query;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request that AWS's signer signed.
fn signed(uri: &str, headers: &[(String, String)], place: SignatureLocation) -> Request<()> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.signature_location = place;
    settings.expires_in = Some(Duration::from_mins(1));
    let identity = Credentials::new("KEY", SECRET, None, None, "tests").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("US East")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let pairs = || headers.iter().map(|(name, value)| (&**name, &**value));
    let body = SignableBody::UnsignedPayload;
    let signable = SignableRequest::new("PUT", uri, pairs(), body).expect("signable");
    let (instructions, _) = sign(signable, &parameters).expect("signed").into_parts();
    let mut request = Request::builder().method("PUT").uri(uri);
    for (name, value) in pairs() {
        request = request.header(name, value);
    }
    let mut request = request.body(()).expect("a request");
    instructions.apply_to_request_http1x(&mut request);
    let payload = HeaderValue::from_static("UNSIGNED-PAYLOAD");
    request
        .headers_mut()
        .insert("x-amz-content-sha256", payload);
    request
}

fn verify(uri: &Uri, headers: &HeaderMap, secret: &str) -> Result<(), SignatureError> {
    let query = Query::parse(uri.query());
    let claim = Claim::read(&query, headers, SystemTime::now())?.expect("a signature");
    assert_eq!(claim.access_key_id(), "KEY");
    let request = Received {
        method: &Method::PUT,
        path: uri.path(),
        host_bucket: None,
        query: &query,
        headers,
    };
    claim.verify(request, secret)
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let host = ("host", "s3.example.org");
    let pairs = pairs.iter().chain([&host]);
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const PLACES: [SignatureLocation; 2] = [SignatureLocation::Headers, SignatureLocation::QueryParams];

#[test]
fn anything_changed_is_found_out() {
    for place in PLACES {
        let sent = headers(&[("x-amz-meta-a", "b")]);
        let request = signed("http://s3.example.org/b/k?x=y", &sent, place);
        let (uri, map) = (request.uri(), request.headers());
        assert_eq!(verify(uri, map, SECRET), Ok(()));
        let mismatch = Err(SignatureError::Mismatch);
        assert_eq!(verify(uri, map, "other"), mismatch);
        let changed = |from: &str, to: &str| uri.to_string().replacen(from, to, 1).parse();
        assert_eq!(
            verify(&changed("/k", "/l").expect("a URI"), map, SECRET),
            mismatch
        );
        assert_eq!(
            verify(&changed("x=y", "x=z").expect("a URI"), map, SECRET),
            mismatch
        );
        let mut other = map.clone();
        other.insert("x-amz-meta-a", HeaderValue::from_static("c"));
        assert_eq!(verify(uri, &other, SECRET), mismatch);
        let mut more = map.clone();
        more.insert("x-amz-acl", HeaderValue::from_static("public-read"));
        let unsigned = SignatureError::Unsigned("x-amz-acl".into());
        assert_eq!(verify(uri, &more, SECRET), Err(unsigned));
    }
}

#[test]
fn nonsense_for_a_hash_has_a_refusal_of_its_own() {
    let request = signed("http://h/b/k", &headers(&[]), SignatureLocation::Headers);
    let mut map = request.headers().clone();
    for (hash, refusal) in [
        ("nonsense", SignatureError::PayloadHash),
        ("", SignatureError::PayloadHash),
        (
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            SignatureError::Asymmetric,
        ),
        (
            "UNSIGNED-PAYLOAD",
            SignatureError::Unsigned("x-amz-acl".into()),
        ),
    ] {
        map.insert("x-amz-content-sha256", HeaderValue::from_static(hash));
        if hash == "UNSIGNED-PAYLOAD" {
            map.insert("x-amz-acl", HeaderValue::from_static("private"));
        }
        assert_eq!(verify(request.uri(), &map, SECRET), Err(refusal), "{hash}");
    }
}

proptest! {
    #[test]
    fn what_aws_signs_verifies(
        path in "(/([a-zA-Z0-9._~-]|%[2-7][0-9A-F]|%C3%A9){0,12}){1,4}",
        query in "(([a-z-]{1,6}=([a-zA-Z0-9._~-]|%[2-7][0-9A-F]){0,8})(&([a-z-]{1,6}=[a-z0-9]{0,8})){0,3})?",
        value in "[!-~]([ -~]{0,20}[!-~])?",
        at in 0..2usize,
    ) {
        let uri = format!("http://s3.example.org{path}?{query}");
        let sent = headers(&[("x-amz-meta-a", &value), ("content-type", "text/plain")]);
        let request = signed(&uri, &sent, PLACES[at]);
        prop_assert_eq!(verify(request.uri(), request.headers(), SECRET), Ok(()));
    }

    #[test]
    fn any_header_is_read_without_a_panic(value in "[ -~]{0,120}", query in "[ -~]{0,120}") {
        let mut map = HeaderMap::new();
        map.insert("authorization", value.parse().expect("visible"));
        let date = HeaderValue::from_static("20260101T000000Z");
        map.insert("x-amz-date", date);
        let query = Query::parse(Some(&query));
        let _ = Claim::read(&query, &map, SystemTime::now());
    }
}
