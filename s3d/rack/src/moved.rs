//! The answer of a node to which a bucket does not belong any more.

use axum::body::{Body, HttpBody as _};
use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// On an answer: the bucket is another node's by now. No client sees it.
pub const MOVED: HeaderName = HeaderName::from_static("hayrack-moved");

/// The bucket is another node's by now. What of the body is on its way is not read.
pub fn moved(body: &Body) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    let headers = answer.headers_mut();
    headers.insert(MOVED, HeaderValue::from_static("1"));
    if !body.is_end_stream() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
