//! Forms that a browser posts: the input is the policy, a NUL, and the fields as they are sent. The
//! policy is signed, so that its conditions are reached.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Request;

use crate::s3::{HOST, ask};
use crate::sign::{date, now};

/// One form posted to the bucket.
pub fn form(data: &[u8]) {
    let split = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (policy, fields) = data.split_at(split);
    ask(|key| {
        let policy = BASE64_STANDARD.encode(policy);
        let signing_key = generate_signing_key(&key.secret, now(), "us-east-1", "s3");
        let signature = calculate_signature(signing_key, policy.as_bytes());
        let date = date(key);
        let credential = format!("{}/{}/us-east-1/s3/aws4_request", key.id, &date[..8]);
        let mut body = Vec::new();
        for (name, value) in [
            ("policy", policy.as_str()),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", &date),
            ("x-amz-signature", &signature),
        ] {
            let part = format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(fields.get(1..).unwrap_or_default());
        let request = Request::post("/bucket")
            .header("host", HOST)
            .header("content-type", "multipart/form-data; boundary=x")
            .header("content-length", body.len());
        request.body(Body::from(body)).ok()
    });
}
