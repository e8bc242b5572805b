//! Connections to a server: kept, and with TLS where the URL says so.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::client::ClientError;
use crate::tls;

pub(crate) type Connections = Pool<HttpsConnector<HttpConnector>, Full<Bytes>>;

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
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
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
    let connections = Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(64)
        .http1_max_buf_size(1 << 20)
        .build(connector);
    Ok(Server {
        base: format!("{scheme}://{authority}"),
        authority,
        connections,
    })
}
