//! Whether the server is well: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, header};
use s3d_buckets::Buckets;
use s3d_rack::Rack;
use tokio::sync::watch;
use volumed_client::admin::AdminClient;
use volumed_daemon::{METRICS_CONTENT_TYPE, check_writable};
use volumed_meta::{Location, MetaStore};

use crate::listener::{Connections, Tls};
use crate::metrics::{self, Metrics};

/// How long volumed may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the pages are made of.
#[derive(Clone)]
pub struct Health {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The connections of both listeners.
    pub connections: Arc<Connections>,
    /// The open buckets.
    pub buckets: Arc<Buckets>,
    /// volumed.
    pub volumed: AdminClient,
    /// The metadata store.
    pub store: Arc<dyn MetaStore>,
    /// Where it is.
    pub location: Location,
    /// The certificate.
    pub tls: Option<Tls>,
    /// The other nodes, if there are some.
    pub rack: Option<Rack>,
    /// Closed once the server stops.
    pub stopped: watch::Receiver<()>,
}

/// `/readyz` alone.
pub fn readiness(health: Health) -> Router {
    Router::new()
        .route("/readyz", get(ready))
        .with_state(health)
}

/// `/metrics` alone.
pub fn metrics(health: Health) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .with_state(health)
}

/// 200, or 503 with a line for each reason why requests are not served.
async fn ready(State(health): State<Health>) -> Response {
    let reasons = health.reasons().await;
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    let text = format!("{}\n", reasons.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn show_metrics(State(health): State<Health>) -> Response {
    let state = metrics::State {
        connections: health.connections.count(),
        refused_connections: health.connections.refused().get(),
        open_buckets: health.buckets.open_count(),
        volumed: health.volumed_answers().await.is_ok(),
        certificate_expires: health.tls.as_ref().map(Tls::expires),
    };
    match health.metrics.page(state) {
        Ok(page) => ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Health {
    /// Why requests are not served.
    async fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopped.has_changed().is_err() {
            reasons.push("the server is stopping".to_owned());
        }
        if self.rack.as_ref().is_some_and(Rack::is_draining) {
            reasons.push("the server gives its buckets to the other nodes".to_owned());
        }
        if let Err(error) = self.store.revision().await {
            reasons.push(format!("the metadata store does not answer: {error}"));
        }
        if let Some(file) = self.location.file()
            && let Err(reason) = check_writable(file)
        {
            reasons.push(format!("the metadata store cannot be written: {reason}"));
        }
        if let Err(reason) = self.volumed_answers().await {
            reasons.push(reason);
        }
        reasons
    }

    async fn volumed_answers(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.volumed.pool()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the volume daemon does not answer".to_owned()),
        }
    }
}
