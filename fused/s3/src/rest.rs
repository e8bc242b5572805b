//! Hayrack's REST API: JSON there and back.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::ClientError;
use crate::connections::{Server, server};
use crate::request::root_cause;

/// How long an answer may take. Checking a password takes the server a while.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// Hayrack's REST API at one address.
pub struct Rest {
    server: Server,
    /// What shows who asks, once somebody has signed in.
    pub token: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// Nobody answered, or not in HTTP.
    #[error("there is no answer: {0}")]
    Unreachable(String),
    /// Somebody answered who is no Hayrack.
    #[error("the answer is none of Hayrack's REST API ({0})")]
    NoHayrack(StatusCode),
    /// Hayrack refused.
    #[error("{message}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Hayrack's word for it, such as `WrongCredentials`.
        code: String,
        /// Hayrack's sentence, and what it says of each field.
        message: String,
    },
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, String>,
}

impl Rest {
    /// The API at `http://host[:port]` or `https://host[:port]`; connects to nothing yet. `trusted`: a
    /// PEM file of certificates to trust beside those of this machine.
    pub fn new(url: &str, trusted: Option<&Path>) -> Result<Self, ClientError> {
        let server = server(url, trusted)?;
        Ok(Self {
            server,
            token: None,
        })
    }

    /// Scheme, host and port.
    pub fn url(&self) -> &str {
        &self.server.base
    }

    /// Calls once; the answer is null when it has no body.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RestError> {
        let (status, answer, _) = self.exchange(method, path, body).await?;
        if status.is_success() {
            if answer.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&answer).map_err(|_| RestError::NoHayrack(status));
        }
        let refusal = serde_json::from_slice::<Refusal>(&answer);
        let refusal = refusal.map_err(|_| RestError::NoHayrack(status))?;
        let mut message = refusal.message;
        for (field, sentence) in refusal.fields {
            if sentence != message {
                message = format!("{message} {field}: {sentence}");
            }
        }
        Err(RestError::Refused {
            status,
            code: refusal.code,
            message,
        })
    }

    /// What the server calls itself, whatever it answers.
    pub async fn server_name(&self) -> Result<Option<String>, RestError> {
        let (_, _, name) = self.exchange(Method::GET, "/", None).await?;
        Ok(name)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes, Option<String>), RestError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes));
        let request = request.map_err(|error| RestError::Unreachable(error.to_string()))?;
        let exchange = async {
            let answer = self.server.connections.request(request).await;
            let answer =
                answer.map_err(|error| RestError::Unreachable(root_cause(&error).message))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| RestError::Unreachable(error.to_string()))?;
            let name = parts.headers.get(header::SERVER);
            let name = name.and_then(|name| name.to_str().ok()).map(str::to_owned);
            Ok((parts.status, body.to_bytes(), name))
        };
        match timeout(LIMIT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(RestError::Unreachable(format!(
                "nothing came within {} s",
                LIMIT.as_secs()
            ))),
        }
    }
}
