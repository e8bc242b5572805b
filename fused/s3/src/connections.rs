//! Connections to a server: kept, and with TLS where the URL says so.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::response::Parts;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::ServiceExt as _;

use crate::client::ClientError;
use crate::connection::{Connection, ExchangeError, Failed};
use crate::tls;

/// Most connections that are kept without a request on them.
const KEPT: usize = 64;

/// How long each of them is.
const IDLE: Duration = Duration::from_mins(1);

/// Connections to one server.
pub(crate) struct Connections {
    connector: HttpsConnector<HttpConnector>,
    server: Uri,
    /// Those without a request, the one that was used last at the end.
    idle: Mutex<VecDeque<(Connection, Instant)>>,
}

/// A server as its URL names it.
pub(crate) struct Server {
    /// Scheme and host, without a slash at its end.
    pub base: String,
    /// Host and port.
    pub authority: String,
    pub connections: Connections,
}

/// Takes `http://host[:port]` or `https://host[:port]` apart; connects to nothing yet. `trusted`: a PEM
/// file of certificates to trust beside those of this machine.
pub(crate) fn server(url: &str, trusted: Option<&Path>) -> Result<Server, ClientError> {
    let wrong = || ClientError::Endpoint(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().ok_or_else(wrong)?.to_string();
    if !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") {
        return Err(wrong());
    }
    let tls = if scheme == "https" {
        tls::trusting(trusted)?
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
    Ok(Server {
        base: format!("{scheme}://{authority}"),
        authority,
        connections: Connections {
            connector,
            server: uri,
            idle: Mutex::default(),
        },
    })
}

impl Connections {
    /// Sends a request and receives its answer whole. `longest`: most bytes of its body.
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<(Parts, Bytes), ExchangeError> {
        let mut request = named_by_path(request);
        loop {
            let (mut connection, kept) = match self.take() {
                Some(connection) => (connection, true),
                None => (self.connect().await?, false),
            };
            match connection.exchange(request, longest).await {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                // It was closed between looking and sending; a new one says whether the server is there.
                Err(Failed::Unsent(unsent, _)) if kept => request = *unsent,
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    /// Sends a request on a connection of its own, and answers before the body has come.
    pub async fn begin(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let connection = self.connect().await?;
        connection.begin(named_by_path(request)).await
    }

    async fn connect(&self) -> Result<Connection, ExchangeError> {
        // What happens seldom takes no room in the futures of those who have a connection.
        Box::pin(async {
            let stream = self.connector.clone().oneshot(self.server.clone()).await;
            Connection::new(stream.map_err(ExchangeError::Connect)?).await
        })
        .await
    }

    fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, _) = self.idle().pop_back()?;
            if connection.is_free() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, and closes those that were not needed for long.
    fn keep(&self, mut connection: Connection) {
        let now = Instant::now();
        let free = connection.is_free();
        let mut idle = self.idle();
        if free {
            idle.push_back((connection, now));
        }
        while let Some((_, since)) = idle.front()
            && (now.duration_since(*since) > IDLE || idle.len() > KEPT)
        {
            idle.pop_front();
        }
    }

    /// Who panicked holding it left it whole.
    fn idle(&self) -> MutexGuard<'_, VecDeque<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On a connection to the server itself, a request has path and query alone in its first line, and the host
/// in a header.
fn named_by_path(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    let host = parts.authority.map(|it| HeaderValue::from_str(it.as_str()));
    if let Some(Ok(host)) = host {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    let path = parts.path_and_query;
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    request
}

#[cfg(test)]
mod tests;
