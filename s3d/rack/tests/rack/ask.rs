//! Signed requests over HTTP/1.1.

use std::net::SocketAddr;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use s3d_accounts::Key;
use tokio::net::TcpStream;

pub const HOST: &str = "s3.example.org";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }

    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert!(self.text().contains(code), "{}", self.text());
        self
    }
}

/// A request to be.
#[derive(Clone)]
pub struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    host: &'a str,
    headers: Vec<(&'a str, String)>,
    body: Bytes,
    payload: Payload,
}

/// What is signed of the body.
#[derive(Clone, Copy)]
enum Payload {
    Whole,
    Nothing,
    StreamingTrailer,
}

impl<'a> Ask<'a> {
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            host: HOST,
            headers: Vec::new(),
            body: Bytes::new(),
            payload: Payload::Whole,
        }
    }

    pub fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// The body is not signed.
    pub fn unsigned_payload(self) -> Self {
        let payload = Payload::Nothing;
        Self { payload, ..self }
    }

    /// The body is not signed, and comes in chunks with a trailer.
    pub fn streaming_trailer(self) -> Self {
        let payload = Payload::StreamingTrailer;
        Self { payload, ..self }
    }

    /// Signed with a key.
    pub fn signed(&self, key: &Key) -> Request<Body> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = Credentials::new(&key.id, &key.secret, None, None, "tests").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("http://{}{}", self.host, self.target);
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let headers = headers.chain([("host", self.host)]);
        let body = match self.payload {
            Payload::Whole => SignableBody::Bytes(&self.body),
            Payload::Nothing => SignableBody::UnsignedPayload,
            Payload::StreamingTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
        };
        let signable = SignableRequest::new(self.method, &url, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut request = self.plain();
        instructions.apply_to_request_http1x(&mut request);
        request
    }

    /// With nobody's signature.
    pub fn plain(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.target);
        request = request.header("host", self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }
}

/// Sends a request on a connection of its own.
pub async fn send(to: SocketAddr, request: Request<Body>) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}
