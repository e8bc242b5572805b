//! What Prometheus is told of connections and requests.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use volumed_daemon::Measured;
use volumed_nbd::server::Command;

/// The operations of NBD, as labels.
const OPERATIONS: [&str; 7] = [
    "read",
    "write",
    "flush",
    "trim",
    "write_zeroes",
    "cache",
    "block_status",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

/// What clients were served, counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    operations: [OperationMetrics; OPERATIONS.len()],
    /// NBD connections that are open.
    pub(super) connections: Measured,
    /// NBD connections that were refused, since as many were open as may be.
    pub(super) refused_connections: Counter,
    /// Clients with which TLS could not be agreed on: no certificate, or another CA's.
    pub(super) refused_tls: Counter,
}

/// The counters of one operation, found once, so that a request costs no lookup.
#[derive(Debug)]
struct OperationMetrics {
    succeeded: Counter,
    failed: Counter,
    seconds: Histogram,
    bytes: Counter,
}

/// A request that is being served.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTimer {
    operation: usize,
    bytes: u64,
    since: Instant,
}

impl Metrics {
    /// Counts from nothing, and has `registry` tell of it.
    pub fn new(registry: &mut Registry) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        // 16 µs to 16 s.
        let seconds =
            Family::<OperationLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| {
                Histogram::new(exponential_buckets(16e-6, 4.0, 11))
            });
        let bytes = Family::<OperationLabels, Counter>::default();
        let operations = OPERATIONS.map(|operation| {
            let outcome =
                |outcome| requests.get_or_create_owned(&RequestLabels { operation, outcome });
            let labels = OperationLabels { operation };
            OperationMetrics {
                succeeded: outcome("succeeded"),
                failed: outcome("failed"),
                seconds: seconds.get_or_create_owned(&labels),
                bytes: bytes.get_or_create_owned(&labels),
            }
        });
        let (connections, refused_connections) = (Measured::default(), Counter::default());
        let refused_tls = Counter::default();
        registry.register("nbd_requests", "NBD requests answered", requests);
        registry.register(
            "nbd_request_seconds",
            "From a request to its answer",
            seconds,
        );
        registry.register(
            "nbd_bytes",
            "Bytes asked for by NBD requests that succeeded",
            bytes,
        );
        registry.register(
            "nbd_connections",
            "NBD connections that are open",
            connections.clone(),
        );
        registry.register(
            "nbd_connections_refused",
            "NBD connections refused, since as many were open as may be",
            refused_connections.clone(),
        );
        registry.register(
            "nbd_tls_refused",
            "NBD clients with which TLS could not be agreed on",
            refused_tls.clone(),
        );
        Self {
            operations,
            connections,
            refused_connections,
            refused_tls,
        }
    }

    /// A request begins.
    pub(super) fn begin(command: &Command) -> RequestTimer {
        let (operation, bytes) = match command {
            Command::Read { length, .. } => (0, u64::from(*length)),
            Command::Write { data, .. } => (1, data.len() as u64),
            Command::Flush => (2, 0),
            Command::Trim { length, .. } => (3, u64::from(*length)),
            Command::WriteZeroes { length, .. } => (4, u64::from(*length)),
            Command::Cache { .. } => (5, 0),
            Command::BlockStatus { .. } => (6, 0),
        };
        RequestTimer {
            operation,
            bytes,
            since: Instant::now(),
        }
    }

    /// A request is answered.
    pub(super) fn end(&self, request: RequestTimer, succeeded: bool) {
        let operation = &self.operations[request.operation];
        if succeeded {
            operation.succeeded.inc();
            operation.bytes.inc_by(request.bytes);
        } else {
            operation.failed.inc();
        }
        operation
            .seconds
            .observe(request.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use volumed_daemon::metrics_page;

    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_outcome() {
        let mut registry = Registry::with_prefix("volumed");
        let metrics = Metrics::new(&mut registry);
        for succeeded in [true, true, false] {
            let read = Command::Read {
                offset: 0,
                length: 4096,
            };
            metrics.end(Metrics::begin(&read), succeeded);
        }
        let page = metrics_page(&[&registry]).unwrap();
        for line in [
            "volumed_nbd_requests_total{operation=\"read\",outcome=\"succeeded\"} 2\n",
            "volumed_nbd_requests_total{operation=\"read\",outcome=\"failed\"} 1\n",
            "volumed_nbd_bytes_total{operation=\"read\"} 8192\n",
            "volumed_nbd_request_seconds_count{operation=\"read\"} 3\n",
        ] {
            assert!(page.contains(line), "{page}");
        }
    }
}
