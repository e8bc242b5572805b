//! A rack to ask, and signed requests to ask it with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use s3s::region::Region;
use tempfile::TempDir;
use tower::ServiceExt as _;
use volumed_meta::SqliteStore;

use crate::Front;
use s3d_accounts::{Access, AccountSettings, Accounts, Key, KeyGrant, NewUser, Password, Scope};
use s3d_buckets::fake_volumes::FakeVolumes;
use s3d_buckets::{BucketSettings, Buckets, Settings};
use s3d_names::BucketName;
use s3d_names::{Email, NamespaceName};

pub const HOST: &str = "s3.example.org";

/// Two tenants: `ours` with the buckets `bucket` and `other`, `theirs` with `foreign`.
pub struct Rack {
    pub front: Front,
    pub accounts: Arc<Accounts>,
    pub volumes: Arc<FakeVolumes>,
    /// Of the namespace `ours`.
    pub key: Key,
    /// Of the bucket `bucket` alone.
    pub narrow: Key,
    /// Of the namespace `theirs`.
    pub foreign: Key,
    /// Of the whole namespace `ours`, only to read.
    pub reading: Key,
    _folder: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content of the first element of this name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }

    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Self {
        let found = (self.status.as_u16(), self.element("Code"));
        assert_eq!(found, (status, Some(code.to_owned())), "{}", self.text());
        let id = self.headers["x-amz-request-id"].to_str().unwrap();
        assert_eq!(
            self.element("RequestId").as_deref(),
            Some(id),
            "{}",
            self.text()
        );
        assert!(self.element("Message").is_some(), "{}", self.text());
        self
    }
}

impl Rack {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let accounts = Arc::new(
            Accounts::open(store.clone(), folder.path(), AccountSettings::default()).unwrap(),
        );
        let volumes = Arc::new(FakeVolumes::default());
        let patience = Duration::from_millis(50);
        let settings = BucketSettings {
            patience,
            ..BucketSettings::default()
        };
        let buckets = Buckets::start(store, accounts.clone(), volumes.clone(), settings);
        let ours = sign_up(&accounts, "ours").await;
        let theirs = sign_up(&accounts, "theirs").await;
        for (namespace, name) in [(&ours, "bucket"), (&ours, "other"), (&theirs, "foreign")] {
            let name = BucketName::new(name).unwrap();
            buckets
                .create(namespace, &name, None, Settings::default())
                .await
                .unwrap();
        }
        let bucket = buckets.find("bucket").await.unwrap().unwrap();
        let reading = KeyGrant {
            access: Access::ReadOnly,
            ..KeyGrant::new(ours.clone(), Scope::Namespace)
        };
        let api = Router::new().fallback(|| async { "the REST API" });
        let region = Region::new("us-east-1".into()).unwrap();
        Self {
            key: accounts.create_namespace_key(&ours).await.unwrap(),
            narrow: buckets
                .create_key(&bucket, bucket.key_grant())
                .await
                .unwrap(),
            reading: accounts.create_key(reading, None).await.unwrap(),
            foreign: accounts.create_namespace_key(&theirs).await.unwrap(),
            front: Front::new(accounts.clone(), buckets, "example.org", region, api, 7),
            accounts,
            volumes,
            _folder: folder,
        }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.front.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Signs a request with the key of the namespace, and sends it.
    pub async fn ask(&self, ask: Ask<'_>) -> Answer {
        self.send(ask.signed(&self.key)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Ask::new("GET", path)).await
    }

    pub async fn put(&self, path: &str, body: &'static [u8]) -> Answer {
        self.ask(Ask::new("PUT", path).body(body)).await
    }
}

async fn sign_up(accounts: &Accounts, name: &str) -> NamespaceName {
    let namespace = NamespaceName::new(name).unwrap();
    let new = NewUser {
        email: Email::new(format!("{name}@example.org")).unwrap(),
        password: Password::new("correct horse").unwrap(),
        namespace: Some(namespace.clone()),
    };
    accounts.add_user(new, false).await.unwrap();
    namespace
}

/// A request to be.
#[derive(Clone)]
pub struct Ask<'a> {
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    pub host: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: Vec<u8>,
    pub time: SystemTime,
    /// The region that is signed for.
    pub region: &'a str,
    /// What is signed as the payload's hash, if not the hash of the body.
    pub payload: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub fn new(method: &'a str, target: &'a str) -> Self {
        let (headers, body, time) = (Vec::new(), Vec::new(), SystemTime::now());
        Self {
            method,
            target,
            host: HOST,
            headers,
            body,
            time,
            region: "anywhere-7",
            payload: None,
        }
    }

    pub fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    pub fn payload(self, payload: &'a str) -> Self {
        Self {
            payload: Some(payload),
            ..self
        }
    }

    pub fn time(self, time: SystemTime) -> Self {
        Self { time, ..self }
    }

    pub fn region(self, region: &'a str) -> Self {
        Self { region, ..self }
    }

    /// The request with nobody's signature.
    pub fn plain(&self) -> Request<Body> {
        self.request(self.target)
    }

    /// The request signed in its header.
    pub fn signed(&self, key: &Key) -> Request<Body> {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let payload = match self.payload {
            Some("UNSIGNED-PAYLOAD") => SignableBody::UnsignedPayload,
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => {
                SignableBody::StreamingUnsignedPayloadTrailer
            }
            Some(payload) => SignableBody::Precomputed(payload.to_owned()),
            None => SignableBody::Bytes(&self.body),
        };
        let signed = self.sign(key, settings, payload);
        let mut request = self.request(self.target);
        for (name, value) in signed.headers() {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request
    }

    /// The request signed in its query.
    pub fn presigned(&self, key: &Key, valid: Duration) -> Request<Body> {
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(valid);
        let signed = self.sign(key, settings, SignableBody::UnsignedPayload);
        let target = signed.uri().path_and_query().unwrap();
        self.request(target.as_str())
    }

    fn request(&self, target: &str) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(target);
        request = request.header("host", self.host);
        if !self
            .headers
            .iter()
            .any(|(name, _)| *name == "content-length")
        {
            request = request.header("content-length", self.body.len());
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }

    fn sign(&self, key: &Key, settings: SigningSettings, body: SignableBody<'_>) -> Request<()> {
        let identity = Credentials::new(&key.id, &key.secret, None, None, "tests").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.time)
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
        let signable = SignableRequest::new(self.method, &url, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut signed = Request::builder()
            .method(self.method)
            .uri(url)
            .body(())
            .unwrap();
        instructions.apply_to_request_http1x(&mut signed);
        signed
    }
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}
