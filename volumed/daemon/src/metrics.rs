//! What every daemon tells Prometheus, and how.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::{descriptor_limit, open_descriptors, resident_bytes};

/// The content type of [`metrics_page`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number that is measured when it is asked for.
pub type Measured = Gauge<u64, AtomicU64>;

/// The page of several registries, in the OpenMetrics text format.
pub fn metrics_page(registries: &[&Registry]) -> Result<String, fmt::Error> {
    let mut page = String::new();
    for registry in registries {
        encode_registry(&mut page, registry)?;
    }
    encode_eof(&mut page)?;
    Ok(page)
}

/// Adds what the process holds now, under the names that Prometheus's own libraries use.
pub fn register_process(registry: &mut Registry) {
    let mut register = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstGauge::new(value));
    };
    // What cannot be read is left out, rather than told wrong.
    if let Ok(bytes) = resident_bytes() {
        register(
            "process_resident_memory_bytes",
            "Memory of the process",
            bytes,
        );
    }
    if let Ok(count) = open_descriptors() {
        register("process_open_fds", "Open file descriptors", count);
    }
    register(
        "process_max_fds",
        "File descriptors that may be open",
        descriptor_limit(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_registry_and_one_end() {
        let (mut first, mut second) = (Registry::default(), Registry::default());
        first.register("a", "A", ConstGauge::new(7_u64));
        register_process(&mut second);
        let page = metrics_page(&[&first, &second]).unwrap();
        for line in ["\na 7\n", "\nprocess_open_fds ", "\nprocess_max_fds "] {
            assert!(page.contains(line), "{page}");
        }
        assert_eq!(page.matches("# EOF").count(), 1);
        assert!(page.ends_with("# EOF\n"));
    }
}
