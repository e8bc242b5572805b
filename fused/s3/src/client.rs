//! One bucket at one endpoint.

use std::path::PathBuf;
use std::sync::Arc;

use http::Method;

use crate::connections::{Connections, server};
use crate::credentials::Credentials;
use crate::error::S3Error;
use crate::request::Request;
use crate::retry::Patience;
use crate::traffic::{Counters, Traffic};

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
    pub traffic: Counters,
}

impl Client {
    /// Checks the settings; connects to nothing yet.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let server = server(&settings.endpoint, settings.trusted.as_deref())?;
        Ok(Self(Arc::new(Inner {
            base: server.base,
            authority: server.authority,
            connections: server.connections,
            traffic: Counters::default(),
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

    /// What went to the server and came back, but for the change feed.
    pub fn traffic(&self) -> Traffic {
        self.0.traffic.read()
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
