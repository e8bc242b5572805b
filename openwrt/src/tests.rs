use std::collections::BTreeSet;

use super::*;
use crate::example::{rack, secrets};

const NO_TUNNEL: (&str, &str) = ("tunnel = {", "# tunnel = {");
const AT_ROUTER: (&str, &str) = ("tls = \"nodes\"", "tls = \"router\"");

fn text<'f>(files: &'f [File], path: &str) -> &'f str {
    let file = files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is missing")).text
}

fn render_all(replacements: &[(&str, &str)]) -> Rendered {
    render(&rack(replacements), &secrets()).unwrap()
}

#[test]
fn the_same_rack_gives_the_same_files() {
    assert_eq!(render_all(&[]), render_all(&[]));
    let rendered = render_all(&[]);
    let paths: BTreeSet<_> = rendered.router.iter().map(|file| &file.path).collect();
    assert_eq!(paths.len(), rendered.router.len(), "a file is there twice");
}

#[test]
fn nobody_but_root_reads_what_holds_a_secret() {
    let rendered = render_all(&[]);
    for file in rendered.router.iter().chain(&rendered.rented) {
        let secret = ["dwdtCnMY", "a token", "PRIVATE KEY", "a password"];
        if secret.iter().any(|secret| file.text.contains(secret)) {
            assert_eq!(file.mode, Mode::Secret, "{}", file.path);
        }
    }
}

#[test]
fn what_only_secrets_say_is_asked_for() {
    let refused = render(&rack(&[]), &Secrets::default()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("rack secrets set wireguard-key"),
        "{refused}"
    );
    let refused = render(&rack(&[NO_TUNNEL]), &Secrets::default()).unwrap_err();
    assert!(refused.to_string().contains("acme-dns"), "{refused}");
    let no_mac = rack(&[("mac = \"dc:a6:32:01:02:02\"\n", "")]);
    let refused = render(&no_mac, &secrets()).unwrap_err();
    assert!(
        refused.to_string().contains("node-2 has no MAC yet"),
        "{refused}"
    );
}

#[test]
fn the_uplink_is_what_it_is_said_to_be() {
    let fixed =
        "address = \"198.51.100.2/24\", gateway = \"198.51.100.1\", dns = [\"198.51.100.1\"]";
    let network = |address| {
        let rendered = render_all(&[(fixed, address)]);
        text(&rendered.router, "etc/config/network").to_owned()
    };
    let pppoe = network("address = \"pppoe\", user = \"me@isp\"");
    for line in [
        "option proto 'pppoe'",
        "option username 'me@isp'",
        "option password 'a password'",
    ] {
        assert!(pppoe.contains(line), "{pppoe}");
    }
    let dhcp = network("address = \"dhcp\"");
    assert!(
        dhcp.contains("option proto 'dhcp'") && dhcp.contains("option proto 'dhcpv6'"),
        "{dhcp}"
    );
    let fixed = network(fixed);
    assert!(
        fixed.contains("option gateway '198.51.100.1'") && !fixed.contains("dhcpv6"),
        "{fixed}"
    );
}

#[test]
fn only_the_tunnel_is_open_where_there_is_one() {
    let firewall = |replacements: &[(&str, &str)]| {
        let rendered = render_all(replacements);
        text(&rendered.router, "etc/config/firewall").to_owned()
    };
    let with = firewall(&[]);
    assert!(
        with.contains("'HTTPS from tunnel'") && !with.contains("'HTTPS from wan'"),
        "{with}"
    );
    let without = firewall(&[NO_TUNNEL]);
    assert!(
        without.contains("'HTTPS from wan'") && !without.contains("tunnel"),
        "{without}"
    );
    for firewall in [with, without] {
        assert!(
            !firewall.contains("redirect") && !firewall.contains("dest 'lan'"),
            "{firewall}"
        );
    }
}

#[test]
fn the_tunnel_has_two_ends_in_a_network_of_any_size() {
    for (network, router, rented) in [
        ("10.9.0.0/30", "10.9.0.2/30", "10.9.0.1/30"),
        ("10.9.0.4/31", "10.9.0.5/31", "10.9.0.4/31"),
    ] {
        let rendered = render_all(&[("10.9.0.0/30", network)]);
        let own = text(&rendered.router, "etc/config/network");
        assert!(own.contains(&format!("list addresses '{router}'")), "{own}");
        let other = text(&rendered.rented, "etc/wireguard/hayrack.conf");
        assert!(other.contains(&format!("Address = {rented}")), "{other}");
    }
}

#[test]
fn packages_are_those_that_the_files_need() {
    let packages = |replacements: &[(&str, &str)]| render_all(replacements).build.packages;
    let all = packages(&[]);
    for package in [
        "haproxy",
        "acme-acmesh",
        "acme-acmesh-dnsapi",
        "curl",
        "openssh-client",
        "wireguard-tools",
    ] {
        assert!(all.iter().any(|own| own == package), "{all:?}");
    }
    let few = packages(&[NO_TUNNEL, AT_ROUTER]);
    for package in ["openssh-client", "wireguard-tools"] {
        assert!(!few.iter().any(|own| own == package), "{few:?}");
    }
    let command = render_all(&[]).build.to_string();
    assert!(
        command.starts_with("make image PROFILE=\"rpi-4\" PACKAGES=\"haproxy "),
        "{command}"
    );
}

#[test]
fn nodes_are_set_to_fit_the_router() {
    let nodes = s3d_settings(&rack(&[]));
    assert!(
        nodes.contains("s3_listen = \"0.0.0.0:443\"") && nodes.contains("tls_key"),
        "{nodes}"
    );
    let router = s3d_settings(&rack(&[
        AT_ROUTER,
        ("https_port = 443", "https_port = 8443"),
    ]));
    assert!(
        router.contains("public_https_port = 8443") && !router.contains("tls_key"),
        "{router}"
    );
    for settings in [nodes, router] {
        assert!(
            settings.contains("proxy_from = [\"10.77.0.1/32\"]"),
            "{settings}"
        );
        // The console draws the mount: who is where, and what is free.
        assert!(settings.contains("\nslots = [\"node-"), "{settings}");
    }
}

#[test]
fn a_rack_without_acme_needs_no_secret_of_it() {
    let acme = [
        ("[acme]\n", ""),
        ("email = \"ops@example.org\"\n", ""),
        ("dns = \"dns_challtest\"\n", ""),
    ];
    let directory = ("directory = \"https://198.51.100.1:14000/dir\"\n", "");
    let rack = rack(&[acme[0], acme[1], acme[2], directory, NO_TUNNEL]);
    let rendered = render(&rack, &Secrets::default()).unwrap();
    let paths: Vec<_> = rendered
        .router
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert!(!paths.iter().any(|path| path.contains("acme")), "{paths:?}");
    assert!(rendered.rented.is_empty());
}

#[test]
fn namespaces_are_asked_for_as_nodes_serve_them() {
    let certify = |replacements: &[(&str, &str)]| {
        let rendered = render_all(replacements);
        text(&rendered.router, "usr/lib/hayrack/certify-namespaces").to_owned()
    };
    let (nodes, router) = (certify(&[]), certify(&[AT_ROUTER]));
    for program in [&nodes, &router] {
        for part in [
            "10.77.0.13",
            "api=s3-api.example.org",
            r"\.s3\.example\.org$",
        ] {
            assert!(program.contains(part), "{part}\n{program}");
        }
        assert!(
            !program.contains("@NODES@") && !program.contains("@OWN@"),
            "{program}"
        );
    }
    assert!(nodes.contains("scheme=https"), "{nodes}");
    assert!(router.contains("scheme=http\n"), "{router}");
}

#[test]
fn haproxy_has_a_list_of_certificates_that_a_new_one_is_put_into() {
    let rendered = render_all(&[AT_ROUTER]);
    let list = text(&rendered.router, "etc/hayrack/certificates");
    assert_eq!(list, "/etc/ssl/acme/s3.example.org.combined.crt\n");
    let haproxy = text(&rendered.router, "etc/haproxy.cfg");
    assert!(
        haproxy.contains("ssl crt-list /etc/hayrack/certificates"),
        "{haproxy}"
    );
    let hook = text(&rendered.router, "etc/hotplug.d/acme/60-hayrack");
    for part in [
        "s3.example.org.combined.crt",
        "*.s3.example.org.combined.crt",
        "haproxy restart",
    ] {
        assert!(hook.contains(part), "{hook}");
    }
    let jobs = text(&rendered.router, "etc/crontabs/root");
    assert!(
        jobs.contains("certify-namespaces") && !jobs.contains("push-certificate"),
        "{jobs}"
    );
}
