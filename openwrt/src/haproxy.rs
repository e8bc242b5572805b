//! HAProxy, where connections from outside end: each goes on to a node whose `/readyz` says 200, with the client's
//! address in front of it (PROXY protocol, version 2).

use rack_model::Rack;

use crate::certificate::LIST;
use crate::file::{File, Mode};
use crate::hosts::{API_PORT, nodes_end_tls, s3_port};

pub fn file(rack: &Rack) -> File {
    let text = [GLOBAL, &frontend(rack), &backend(rack)].join("\n");
    File::new("etc/haproxy.cfg", Mode::Public, text)
}

/// Bytes pass through as they are: HTTP is the nodes' work. `tcp-ut` and keep-alives find a node that lost its power;
/// one that drains finishes what it answers.
const GLOBAL: &str = "\
global
    log /dev/log local0 notice
    maxconn 4000
    user nobody
    group nogroup

defaults
    mode tcp
    log global
    timeout connect 3s
    timeout client 5m
    timeout server 5m
    option clitcpka
    option srvtcpka
    srvtcpka-idle 10s
    srvtcpka-intvl 5s
    srvtcpka-cnt 3
    retries 3
    option redispatch
";

/// A socket for each family: on one for both, clients of IPv4 have addresses of IPv6. Names that are not the rack's are refused, so that whoever tries addresses learns nothing.
fn frontend(rack: &Rack) -> String {
    let (port, s3, api) = (rack.public.https_port, rack.s3_host(), rack.api_host());
    let (bind, name) = if nodes_end_tls(rack) {
        (String::new(), "req.ssl_sni")
    } else {
        let bind = format!(" ssl crt-list {LIST} alpn http/1.1 ssl-min-ver TLSv1.2");
        (bind, "ssl_fc_sni")
    };
    format!(
        "\
frontend s3
    bind :{port}{bind}
    bind :::{port} v6only{bind}
    tcp-request inspect-delay 5s
    acl ours {name} -i {s3} {api}
    acl ours {name} -i -m end .{s3}
    tcp-request content accept if ours
    tcp-request content reject
    default_backend nodes
"
    )
}

fn backend(rack: &Rack) -> String {
    let port = s3_port(rack);
    let (check, header) = if nodes_end_tls(rack) {
        (" check-ssl verify none", "send-proxy-v2")
    } else {
        ("", "send-proxy-v2-ssl")
    };
    let servers = rack.nodes.iter().map(|node| {
        let (name, address) = (&node.name, node.address);
        format!("    server {name} {address}:{port}\n")
    });
    format!(
        "\
backend nodes
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host {host}
    http-check expect status 200
    default-server check port {API_PORT}{check} inter 2s fastinter 500ms fall 2 rise 2 {header} tcp-ut 10s
{servers}",
        host = rack.api_host(),
        servers = servers.collect::<String>(),
    )
}
