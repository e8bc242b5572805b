//! One request: made, signed, sent, and sent again while that may help.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, Inner};
use crate::error::{S3Error, passes_by_itself};
use crate::retry;

/// What stays as it is in a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same in a path.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// How long the bytes of a body may take beyond the attempt's own time: one such time for each of it.
const BODY_UNIT: u64 = 8 << 20;

pub(crate) fn encode_path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// A request of this client, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    key: Option<String>,
    query: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    /// How long its answer may be, in bytes: for how long to wait for it.
    expected: u64,
}

/// An answer that is no error.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Request {
    /// About the bucket.
    pub fn bucket(method: Method) -> Self {
        Self {
            method,
            key: None,
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            expected: 0,
        }
    }

    /// About an object.
    pub fn object(method: Method, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::bucket(method)
        }
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, UNRESERVED));
        self
    }

    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Bytes that the server checks when they have arrived.
    pub fn body(mut self, body: Bytes) -> Self {
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &body) as u32;
        self.body = body;
        self.header("x-amz-checksum-crc32c", STANDARD.encode(sum.to_be_bytes()))
    }

    /// A document, which S3 wants no checksum of.
    pub fn document(mut self, document: String) -> Self {
        self.body = document.into();
        self
    }

    pub fn expecting(mut self, bytes: u64) -> Self {
        self.expected = bytes;
        self
    }
}

impl Client {
    /// Sends `request` until it is answered, refused, or patience ends.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, S3Error> {
        let patience = self.0.settings.patience;
        let deadline = Instant::now() + patience.total;
        let units = (request.body.len() as u64 + request.expected) / BODY_UNIT;
        let limit = patience.attempt * (units as u32 + 1);
        for attempt in 1.. {
            let error = match self.0.attempt(request, limit).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) => {
                    let error = S3Error::of_answer(answer.status, &answer.body);
                    if !passes_by_itself(answer.status) {
                        return Err(error);
                    }
                    error
                }
                Err(error) => error,
            };
            let pause = retry::pause(attempt);
            if Instant::now() + pause > deadline {
                return Err(error);
            }
            if attempt == 3 {
                tracing::warn!(%error, method = %request.method, "the server does not answer; trying again");
            }
            sleep(pause).await;
        }
        unreachable!("the loop ends by returning")
    }
}

impl Inner {
    /// Sends a request once, and answers before the body has come.
    pub async fn begin(
        &self,
        request: &Request,
    ) -> Result<http::Response<hyper::body::Incoming>, S3Error> {
        let signed = self.sign(request)?;
        let limit = self.settings.patience.attempt;
        let answer = timeout(limit, self.connections.request(signed)).await;
        let answer = answer.map_err(S3Error::unreachable)?;
        answer.map_err(|error| root_cause(&error))
    }

    async fn attempt(&self, request: &Request, limit: Duration) -> Result<Answer, S3Error> {
        let began = Instant::now();
        let answer = self.exchange(request, limit).await;
        self.traffic
            .count(request.body.len(), &answer, began.elapsed());
        answer
    }

    async fn exchange(&self, request: &Request, limit: Duration) -> Result<Answer, S3Error> {
        let signed = self.sign(request)?;
        let exchange = async {
            let answer = self.connections.request(signed).await;
            let (parts, body) = answer.map_err(|error| root_cause(&error))?.into_parts();
            let body = collect(body, &parts.headers).await?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        match timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(S3Error::unreachable(format!(
                "no answer within {} s",
                limit.as_secs()
            ))),
        }
    }

    fn sign(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, S3Error> {
        let mut uri = format!("{}/{}", self.base, self.settings.bucket);
        if let Some(key) = &request.key {
            uri.push('/');
            uri.extend(utf8_percent_encode(key, PATH));
        }
        if !request.query.is_empty() {
            uri.push('?');
            uri.push_str(&request.query);
        }
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(&uri)
            .header("host", &self.authority);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if matches!(request.method, Method::PUT | Method::POST | Method::PATCH) {
            // S3 wants to be told of an empty body, too.
            builder = builder.header(http::header::CONTENT_LENGTH, request.body.len());
        }
        let body = Full::new(request.body.clone());
        let mut unsigned = builder.body(body).map_err(S3Error::unsendable)?;
        let Some(keys) = &self.settings.credentials else {
            return Ok(unsigned);
        };
        let identity = aws_credential_types::Credentials::new(
            &keys.access_key,
            &keys.secret_key,
            keys.session_token.clone(),
            None,
            "fused",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.settings.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(S3Error::unsendable)?
            .into();
        let headers = unsigned.headers().iter();
        let headers: Vec<_> = headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let method = request.method.as_str();
        // The checksum in the headers is signed and covers the bytes.
        let body = SignableBody::UnsignedPayload;
        let signable = SignableRequest::new(method, &uri, headers.into_iter(), body)
            .map_err(S3Error::unsendable)?;
        let (instructions, _) = sign(signable, &params)
            .map_err(S3Error::unsendable)?
            .into_parts();
        instructions.apply_to_request_http1x(&mut unsigned);
        Ok(unsigned)
    }
}

async fn collect(mut body: hyper::body::Incoming, headers: &HeaderMap) -> Result<Bytes, S3Error> {
    let length = headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(S3Error::unreachable)?.into_data() else {
            continue;
        };
        match first.take() {
            None if joined.is_empty() => first = Some(data),
            None => joined.extend_from_slice(&data),
            Some(begun) => {
                joined.reserve(length.unwrap_or(begun.len() + data.len()));
                joined.extend_from_slice(&begun);
                joined.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| joined.freeze()))
}

/// What went wrong beneath hyper's own words.
pub(crate) fn root_cause(error: &hyper_util::client::legacy::Error) -> S3Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    S3Error::unreachable(cause)
}

impl S3Error {
    fn unsendable(error: impl std::fmt::Display) -> Self {
        Self::nonsense(format!("the request cannot be made: {error}"))
    }
}
