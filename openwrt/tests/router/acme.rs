//! A certificate's whole way: issued to the router by DNS-01, given to the nodes, served by s3d, renewed.

use std::fs;

use crate::machines::can_be_made;
use crate::site::{NO_TUNNEL, NODES, Site, UPLINK, WORLD, until};

impl Site {
    /// What s3d says to a machine that trusts the authority alone, and has an address for the host.
    pub fn ask_trusting(&self, from: &str, host: &str, address: &str) -> anyhow::Result<String> {
        let (resolve, url) = (format!("{host}:443:{address}"), format!("https://{host}/"));
        let root = self.text_path("root.pem");
        let ask = [
            "curl",
            "-sS",
            "--cacert",
            &root,
            "--resolve",
            &resolve,
            &url,
        ];
        self.machines.run(from, &ask)
    }

    /// The serial number of the certificate that is served; empty if none is.
    fn serial(&self) -> anyhow::Result<String> {
        let show = format!(
            "openssl s_client -connect {UPLINK}:443 -servername s3.example.org </dev/null 2>/dev/null \
             | openssl x509 -noout -serial"
        );
        self.machines.run("world", &["sh", "-c", &show])
    }

    /// What the nodes' one key opens, with an input of nonsense.
    fn log_in(&self) -> anyhow::Result<String> {
        let key = self.text_path("certificate.key");
        let known = format!("UserKnownHostsFile={}", self.text_path("known_hosts"));
        let ssh = [
            "ssh",
            "-i",
            &key,
            "-o",
            "BatchMode=yes",
            "-o",
            &known,
            "root@10.77.0.11",
            "id",
        ];
        self.machines.run_with("router", &ssh, "nonsense")
    }
}

/// A site whose nodes have their first certificate, and node 1 serves with it.
fn certified() -> anyhow::Result<Site> {
    let mut site = Site::start(&[NO_TUNNEL])?;
    site.lease_addresses()?;
    site.start_authority()?;
    for node in NODES {
        site.start_ssh(node)?;
    }
    site.issue()?;
    for node in NODES {
        let pem = fs::read_to_string(site.path(&format!("{node}/tls.pem")))?;
        assert!(
            pem.contains("BEGIN CERTIFICATE") && pem.contains("PRIVATE KEY"),
            "{node}"
        );
        assert_eq!(site.reloads(node), 1);
    }
    site.start_s3d("node-1")?;
    site.start_haproxy()?;
    Ok(site)
}

#[test]
#[ignore = "`make router` runs it: it takes an authority, SSH servers and both daemons"]
fn a_certificate_comes_by_dns_01_and_reaches_s3d_without_a_restart() {
    if !can_be_made() {
        return;
    }
    let site = certified().unwrap();
    let served = until("s3d is served to the world", || {
        site.ask_trusting("world", "s3.example.org", UPLINK).is_ok()
    });
    served.unwrap_or_else(|error| panic!("{error}\n{}", site.machines.log()));
    for host in ["photos.s3.example.org", "s3-api.example.org"] {
        site.ask_trusting("world", host, UPLINK).unwrap();
    }
    let two_labels = site.ask_trusting("world", "a.b.s3.example.org", UPLINK);
    assert!(two_labels.is_err(), "an asterisk stands for one label");
    let log = site.machines.log();
    assert!(log.contains(&format!("client={WORLD}")), "{log}");

    // What is there already changes nothing; a new one is read without a restart.
    site.machines
        .run("router", &[&site.text_path("push-certificate")])
        .unwrap();
    assert_eq!(site.reloads("node-1"), 1);
    let first = site.serial().unwrap();
    site.issue().unwrap();
    until("the new certificate is served", || {
        site.serial()
            .is_ok_and(|serial| !serial.is_empty() && serial != first)
    })
    .unwrap();
    assert_eq!(site.reloads("node-1"), 2);
    site.ask_trusting("world", "s3.example.org", UPLINK)
        .unwrap();

    let refused = format!("{:#}", site.log_in().unwrap_err());
    assert!(refused.contains("no certificate came"), "{refused}");
    site.ask_trusting("world", "s3.example.org", UPLINK)
        .unwrap();
}
