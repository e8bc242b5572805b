//! The answer while a bucket cannot be had: come back in a second, which SDKs do by themselves.

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::label::Service;

const SENTENCE: &str =
    "the bucket is moving to another node, or the node cannot be reached: repeat the request";

/// 503 in the form of a service.
pub fn busy(service: Service, method: &Method) -> Response<Body> {
    let (form, text) = match service {
        Service::S3 => (
            "application/xml",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <Error><Code>SlowDown</Code><Message>{SENTENCE}</Message></Error>"
            ),
        ),
        Service::Api | Service::Node => (
            "application/json",
            format!("{{\"code\":\"Unavailable\",\"message\":\"{SENTENCE}\"}}"),
        ),
    };
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => text.into(),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
