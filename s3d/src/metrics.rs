//! What Prometheus is told: requests as they are answered, and the state of things when it asks.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use s3d_front::{Observer, Served};
use s3d_rack::Rack;
use volumed_daemon::{metrics_page, register_process};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: String,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: String,
}

/// The counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    received: Counter,
    sent: Counter,
}

/// The operation of requests that are refused before S3's name of it is known.
const UNKNOWN: &str = "Unknown";

/// The state of things now.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Connections that are open.
    pub connections: usize,
    /// Connections that were refused.
    pub refused_connections: u64,
    /// Buckets that are open.
    pub open_buckets: usize,
    /// Whether volumed answers.
    pub volumed: bool,
    /// When the certificate expires.
    pub certificate_expires: Option<SystemTime>,
}

impl Metrics {
    /// None yet; those of the way to the other nodes too, if there are some.
    pub fn among(rack: Option<&Rack>) -> Self {
        let requests = Family::default();
        // 0.1 ms to 26 s.
        let seconds = Family::<_, _, fn() -> Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(1e-4, 4.0, 10))
        });
        let (received, sent) = (Counter::default(), Counter::default());
        let mut registry = Registry::with_prefix("s3d");
        registry.register(
            "requests",
            "S3 requests answered, by operation and HTTP status",
            Family::clone(&requests),
        );
        registry.register(
            "request_seconds",
            "From a request's headers to the first byte of its answer",
            seconds.clone(),
        );
        registry.register(
            "received_bytes",
            "Bytes of request bodies, as announced",
            received.clone(),
        );
        registry.register(
            "sent_bytes",
            "Bytes of answers' bodies, as announced",
            sent.clone(),
        );
        if let Some(rack) = rack {
            rack.counters().register(&mut registry);
        }
        Self {
            registry,
            requests,
            seconds,
            received,
            sent,
        }
    }
}

impl Observer for Metrics {
    fn served(&self, served: &Served<'_>) {
        let operation = served.operation.unwrap_or(UNKNOWN);
        let status = served.status.as_u16();
        self.received.inc_by(served.received);
        self.sent.inc_by(served.sent);
        let labels = RequestLabels {
            operation: operation.to_owned(),
            status: status.into(),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = OperationLabels {
            operation: labels.operation,
        };
        let seconds = served.duration.as_secs_f64();
        self.seconds.get_or_create(&labels).observe(seconds);
        // The front's span has the request's id.
        tracing::debug!(
            target: "s3d::requests",
            client = served.client.map(tracing::field::display), operation, method = %served.method, status, milliseconds = seconds * 1e3, "answered"
        );
    }
}

impl Metrics {
    /// The page that Prometheus reads.
    pub fn page(&self, state: State) -> Result<String, fmt::Error> {
        let (state, mut process) = (registry_of(state), Registry::default());
        register_process(&mut process);
        metrics_page(&[&self.registry, &state, &process])
    }
}

fn registry_of(state: State) -> Registry {
    let mut registry = Registry::with_prefix("s3d");
    let refused = prometheus_client::metrics::counter::ConstCounter::new(state.refused_connections);
    registry.register(
        "connections_refused",
        "Connections refused since too many were open",
        refused,
    );
    for (name, help, value) in [
        (
            "connections",
            "Connections that are open",
            state.connections as u64,
        ),
        (
            "open_buckets",
            "Buckets that are open",
            state.open_buckets as u64,
        ),
        (
            "volumed_up",
            "Whether volumed answers",
            state.volumed.into(),
        ),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
    let since_1970 = state
        .certificate_expires
        .map(|time| time.duration_since(UNIX_EPOCH));
    if let Some(Ok(expires)) = since_1970 {
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the TLS certificate expires, in seconds since 1970",
            ConstGauge::new(expires.as_secs()),
        );
    }
    registry
}
