//! Signed S3 requests, made by hand.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use crate::http::{Answer, Request, exchange};

/// A server and the keys to it.
#[derive(Clone, Debug)]
pub struct S3 {
    /// Where it listens.
    pub address: SocketAddr,
    /// The Host header.
    pub host: String,
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The clock of the signer.
    pub time: SystemTime,
}

impl S3 {
    /// Path-style requests, signed now.
    pub fn new(address: SocketAddr, access_key: &str, secret_key: &str) -> Self {
        Self {
            address,
            host: address.to_string(),
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            region: "us-east-1".into(),
            time: SystemTime::now(),
        }
    }

    /// Signs a request in its headers, body included.
    pub fn sign(&self, mut request: Request) -> Request {
        request.headers.push(("host".into(), self.host.clone()));
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signed = self.signed(&request, settings, SignableBody::Bytes(&request.body));
        for (name, value) in signed.headers() {
            let value = value.to_str().expect("signatures are ASCII").to_owned();
            request.headers.push((name.to_string(), value));
        }
        request
    }

    /// Signs a request in its query, good for so long.
    pub fn presign(&self, mut request: Request, valid: Duration) -> Request {
        request.headers.push(("host".into(), self.host.clone()));
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(valid);
        let signed = self.signed(&request, settings, SignableBody::UnsignedPayload);
        request.target = signed.uri().to_string().replacen(&self.origin(), "", 1);
        request
    }

    fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    fn signed(
        &self,
        request: &Request,
        settings: SigningSettings,
        body: SignableBody<'_>,
    ) -> http::Request<()> {
        let identity =
            Credentials::new(&self.access_key, &self.secret_key, None, None, "e2e").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .expect("every parameter is set")
            .into();
        let url = format!("{}{}", self.origin(), request.target);
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(&request.method, &url, headers, body)
            .expect("tests sign what can be signed");
        let (instructions, _) = sign(signable, &params)
            .expect("tests sign what can be signed")
            .into_parts();
        let mut signed = http::Request::builder()
            .method(request.method.as_str())
            .uri(url)
            .body(())
            .expect("tests sign what can be signed");
        instructions.apply_to_request_http1x(&mut signed);
        signed
    }

    /// Signs and sends a request on a connection of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn send(&self, request: Request) -> Answer {
        let request = self.sign(request);
        exchange(self.address, &request).unwrap_or_else(|error| {
            panic!(
                "{} {} got no answer: {error:#}",
                request.method, request.target
            )
        })
    }

    /// PutObject; the path is `/bucket/key`, percent-encoded.
    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Request::new("PUT", path).body(body))
    }

    /// GetObject, or whatever GET means for the path.
    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path))
    }

    /// DeleteObject or DeleteBucket.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Request::new("DELETE", path))
    }
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}
