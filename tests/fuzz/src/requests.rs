//! Requests as text: `how METHOD target`, headers one a line, an empty line, the body. `how` is
//! `plain`, or how the harness signs what it reads: `signed` or `presigned`. So both are reached: what
//! reads signatures, and what is behind them.

use std::str;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::s3::{HOST, ask};
use crate::sign::{presigned, signed};

/// One request to the S3 front.
pub fn request(data: &[u8]) {
    ask(|key| {
        let (how, request) = parse(data)?;
        match how {
            "signed" => signed(request, key),
            "presigned" => presigned(request, key),
            _ => Some(request),
        }
        .map(|request| request.map(Body::from))
    });
}

fn parse(data: &[u8]) -> Option<(&str, Request<Vec<u8>>)> {
    let head = data
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(data.len());
    let (head, body) = data.split_at(head);
    let body = body.get(2..).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = str::from_utf8(lines.next()?).ok()?.splitn(3, ' ');
    let how = first.next()?;
    let mut request = Request::new(body.to_vec());
    *request.method_mut() = Method::from_bytes(first.next()?.as_bytes()).ok()?;
    *request.uri_mut() = first.next()?.parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(
            name,
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
        );
    }
    if !headers.contains_key("host") {
        headers.insert("host", HeaderValue::from_static(HOST));
    }
    if !headers.contains_key("content-length") && !headers.contains_key("transfer-encoding") {
        headers.insert("content-length", HeaderValue::from(body.len()));
    }
    Some((how, request))
}
