//! The names and ports under which the rack is reached.

use rack_model::Rack;
use rack_model::public::TlsEnd;

/// Where a node serves S3 when the router ends TLS.
const PLAIN_S3_PORT: u16 = 9000;

/// Where a node serves the REST API, and `/readyz`.
pub const API_PORT: u16 = 9001;

/// The names that a certificate covers; OpenWrt's ACME client names its files after the first.
pub fn certified(rack: &Rack) -> [String; 3] {
    let s3 = rack.s3_host();
    let buckets = format!("*.{s3}");
    [s3, buckets, rack.api_host()]
}

/// Whether nodes end TLS.
pub fn nodes_end_tls(rack: &Rack) -> bool {
    rack.public.tls == TlsEnd::Nodes
}

/// Where a node serves S3: TLS on the public port, so that clients inside come to it as they come to the
/// router from outside, or plain HTTP, for the router alone.
pub fn s3_port(rack: &Rack) -> u16 {
    if nodes_end_tls(rack) {
        rack.public.https_port.get()
    } else {
        PLAIN_S3_PORT
    }
}
