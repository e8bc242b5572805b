//! What the nodes' s3d must be set to, so that it fits the router.

use std::fmt::Write as _;

use rack_model::Rack;

use crate::hosts::{API_PORT, nodes_end_tls, s3_port};

/// Lines of `/etc/hayrack/s3d.toml`, the same on every node.
pub fn s3d_settings(rack: &Rack) -> String {
    let (s3, api) = (s3_port(rack), API_PORT);
    let mut settings = format!(
        "domain = \"{}\"\n\
         s3_listen = \"0.0.0.0:{s3}\"\n\
         api_listen = \"0.0.0.0:{api}\"\n\
         proxy_from = [\"{}/32\"]\n",
        rack.domain, rack.network.router
    );
    let tls = if nodes_end_tls(rack) {
        // One file for both, so that they change together.
        "tls_certificate = \"/etc/hayrack/tls.pem\"\ntls_key = \"/etc/hayrack/tls.pem\"\n"
            .to_owned()
    } else {
        format!("public_https_port = {}\n", rack.public.https_port)
    };
    let _ = writeln!(settings, "{tls}slots = [{}]", slots(rack));
    settings
}

/// The nodes' names by slot of the mount, as TOML; free slots have none.
fn slots(rack: &Rack) -> String {
    let names = (1..=rack.mount.units.slots()).map(|slot| {
        let node = rack.nodes.iter().find(|node| node.slot == slot);
        let name = node.map(|node| node.name.as_str()).unwrap_or_default();
        format!("\"{name}\"")
    });
    names.collect::<Vec<_>>().join(", ")
}
