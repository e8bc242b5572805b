//! One bucket at one endpoint.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::credentials::Credentials;
use crate::error::S3Error;
use crate::request::Request;
use crate::retry::Patience;
use crate::tls;

pub(crate) type Connections = Pool<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where a bucket is, and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host[:port]` or `https://host[:port]`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The keys; `None`: requests are not signed.
    pub credentials: Option<Credentials>,
    /// A PEM file of certificates to trust beside those of this machine.
    pub trusted: Option<PathBuf>,
    /// How long a request is tried again.
    pub patience: Patience,
}

/// Why there is no client for some settings.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The endpoint cannot be used.
    #[error("{0:?} is not an endpoint: it has to be http://host[:port] or https://host[:port]")]
    Endpoint(String),
    /// A file of certificates cannot be used.
    #[error("the certificates in {path} cannot be used: {1}", path = .0.display())]
    Certificates(PathBuf, String),
}

/// A client of one bucket. Clones share connections.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub settings: Settings,
    /// Scheme and host, without a slash at its end.
    pub base: String,
    pub authority: String,
    pub connections: Connections,
}

impl Client {
    /// Checks the settings; connects to nothing yet.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let wrong = || ClientError::Endpoint(settings.endpoint.clone());
        let uri: http::Uri = settings.endpoint.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().ok_or_else(wrong)?.to_string();
        if !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") {
            return Err(wrong());
        }
        let tls = if scheme == "https" {
            tls::trusting(settings.trusted.as_deref())?
        } else {
            tls::nobody()
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let connections = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(64)
            .http1_max_buf_size(1 << 20)
            .build(connector);
        Ok(Self(Arc::new(Inner {
            base: format!("{scheme}://{authority}"),
            authority,
            connections,
            settings,
        })))
    }

    /// What the server calls itself, if it does.
    pub async fn server(&self) -> Result<Option<String>, S3Error> {
        let answer = self.send(&Request::bucket(Method::HEAD)).await?;
        Ok(answer.header("server").map(str::to_owned))
    }

    /// Host and port of the endpoint.
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.0.settings.bucket
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.base).finish()
    }
}
