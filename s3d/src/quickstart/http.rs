//! The few requests that a first start sends to the REST API.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::http_client::exchange;

/// An answer: its status and, if its body is JSON, that; else null.
pub struct Answer {
    /// The HTTP status.
    pub status: http::StatusCode,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// A text field of the body.
    pub fn text(&self, field: &str) -> anyhow::Result<&str> {
        self.body[field].as_str().with_context(|| {
            format!(
                "the REST API answered {} without {field}: {}",
                self.status, self.body
            )
        })
    }
}

/// Sends one request on a connection of its own; a body makes it a POST.
pub async fn request(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    let method = if body.is_some() {
        http::Method::POST
    } else {
        http::Method::GET
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let (status, body) = exchange(stream, request.body(Full::new(body))?).await?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Answer { status, body })
}
