//! A certificate's whole way: issued to the router by DNS-01, given to the nodes, served by s3d, renewed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hayrack_rack::binaries::Binaries;
use hayrack_rack::network::output;

use crate::site::{NO_TUNNEL, NODES, Site, UPLINK, WORLD, file, until};
use crate::uci::parse;

impl Site {
    fn path(&self, name: &str) -> PathBuf {
        self.machines.folder().join(name)
    }

    fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Starts an authority in the world, and the DNS server that it asks.
    fn start_authority(&mut self) {
        let (certificate, key) = (
            self.text_path("authority.crt"),
            self.text_path("authority.key"),
        );
        let mut make = Command::new("openssl");
        make.args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ]);
        make.args([
            "-subj",
            "/CN=authority",
            "-out",
            &certificate,
            "-keyout",
            &key,
        ]);
        output(&mut make, "").unwrap();
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "{WORLD}:14000", "managementListenAddress": "{WORLD}:15000",
            "certificate": "{certificate}", "privateKey": "{key}", "httpPort": 5002, "tlsPort": 5001,
            "ocspResponderURL": "", "externalAccountBindingRequired": false}}}}"#
        );
        fs::write(self.path("pebble.json"), config).unwrap();
        let mut dns = self.machines.command("world", "pebble-challtestsrv");
        dns.args([
            "-dns01",
            "127.0.0.1:8053",
            "-management",
            &format!("{WORLD}:8055"),
        ]);
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        self.machines.start("challtestsrv", &mut dns).unwrap();
        let mut pebble = self.machines.command("world", "pebble");
        pebble
            .args(["-dnsserver", "127.0.0.1:8053", "-config"])
            .arg(self.path("pebble.json"));
        pebble
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0");
        self.machines.start("pebble", &mut pebble).unwrap();
        let root = format!("https://{WORLD}:15000/roots/0");
        until("the authority answers", || {
            let root = self.machines.run("world", &["curl", "-sSfk", &root]);
            root.is_ok_and(|root| fs::write(self.path("root.pem"), root).is_ok())
        })
        .unwrap();
    }

    /// Starts an SSH server on a node, whose one key opens what takes certificates.
    fn start_ssh(&mut self, node: &str, reload: &Path) {
        let host_key = self.text_path(&format!("{node}.host"));
        let mut make = Command::new("ssh-keygen");
        output(
            make.args(["-q", "-t", "ed25519", "-N", "", "-f", &host_key]),
            "",
        )
        .unwrap();
        let accept = self.path("accept-certificate");
        fs::write(&accept, openwrt::ACCEPT_CERTIFICATE).unwrap();
        output(Command::new("chmod").arg("755").arg(&accept), "").unwrap();
        let private = file(&self.rendered.router, "etc/hayrack/certificate.key").unwrap();
        let key = self.path("certificate.key");
        fs::write(&key, private).unwrap();
        output(Command::new("chmod").arg("600").arg(&key), "").unwrap();
        let public = output(Command::new("ssh-keygen").arg("-yf").arg(&key), "").unwrap();
        let line = openwrt::authorized_key(&public)
            .replace(
                "/usr/lib/hayrack/accept-certificate",
                &accept.display().to_string(),
            )
            .replace(
                "/etc/hayrack/tls.pem",
                &self.text_path(&format!("{node}.pem")),
            )
            .replace(" hayrack ", " root ")
            .replace(
                "systemctl reload-or-restart s3d.service",
                &reload.display().to_string(),
            );
        let authorized = self.text_path(&format!("{node}.authorized"));
        fs::write(&authorized, line).unwrap();
        let config = format!(
            "ListenAddress 0.0.0.0\nHostKey {host_key}\nAuthorizedKeysFile {authorized}\nStrictModes no\n\
             PermitRootLogin forced-commands-only\nPasswordAuthentication no\nUsePAM no\nPidFile none\n"
        );
        let path = self.path(&format!("{node}.sshd"));
        fs::write(&path, config).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let mut sshd = self.machines.command(node, "/usr/sbin/sshd");
        self.machines
            .start("sshd", sshd.args(["-D", "-e", "-f"]).arg(path))
            .unwrap();
    }

    /// A program that has s3d read its certificate again, or starts it.
    fn reload_program(&self, node: &str) -> PathBuf {
        let path = self.path(&format!("{node}.reload"));
        let pid = self.text_path(&format!("{node}.pid"));
        let text =
            format!("#!/bin/sh\necho >>{pid}.count\n[ ! -e {pid} ] || kill -HUP $(cat {pid})\n");
        fs::write(&path, text).unwrap();
        output(Command::new("chmod").arg("755").arg(&path), "").unwrap();
        path
    }

    /// How often a node was told of a certificate.
    fn reloads(&self, node: &str) -> usize {
        let count = fs::read(self.path(&format!("{node}.pid.count")));
        count.map_or(0, |lines| lines.len())
    }

    /// Has the router's ACME client get a certificate, as its settings say.
    fn issue(&self) {
        let sections = parse(file(&self.rendered.router, "etc/config/acme").unwrap()).unwrap();
        let (account, certificate) = (&sections[0], &sections[1]);
        let domains: Vec<_> = certificate.list("domains").collect();
        let push = self.path("push-certificate");
        let own = self.machines.folder().display().to_string();
        let text = file(&self.rendered.router, "usr/lib/hayrack/push-certificate").unwrap();
        let text = text
            .replace("/etc/ssl/acme", &own)
            .replace("/etc/hayrack", &own);
        fs::write(&push, text).unwrap();
        output(Command::new("chmod").arg("755").arg(&push), "").unwrap();
        let hotplug = file(&self.rendered.router, "etc/hotplug.d/acme/60-hayrack").unwrap();
        let push = push.display().to_string();
        let hotplug = hotplug.replace("/usr/lib/hayrack/push-certificate", &push);
        fs::write(self.path("60-hayrack"), hotplug).unwrap();

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/router/acme/issue");
        let mut issue = self.machines.command("router", script);
        issue
            .arg(self.machines.folder())
            .arg(self.path("60-hayrack"));
        issue.env("domains", domains.join(" "));
        issue.env("account_email", account.wanted("account_email").unwrap());
        for name in ["acme_server", "dns"] {
            issue.env(name, certificate.wanted(name).unwrap());
        }
        for credential in certificate.list("credentials") {
            let words = parse(&format!("config a\noption b {credential}")).unwrap();
            let variable = words[0].option("b").unwrap().to_owned();
            let (name, value) = variable.split_once('=').unwrap();
            issue.env(name, value);
        }
        let said = output(&mut issue, "");
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.machines.log()));
    }

    /// Starts volumed and s3d on a node, as the router wants s3d to be set.
    fn start_s3d(&mut self, node: &str) {
        let program = std::env::current_exe().unwrap();
        let binaries = Binaries::beside(program.parent().unwrap());
        let disk = self.text_path("disk0");
        fs::create_dir(&disk).unwrap();
        let data = self.text_path("volumed");
        let config = self.path("volumed.toml");
        fs::write(
            &config,
            format!("disks = [\"{disk}\"]\ndata = \"{data}\"\n"),
        )
        .unwrap();
        let mut volumed = self
            .machines
            .command(node, binaries.path("volumed").unwrap());
        self.machines
            .start("volumed", volumed.args(["serve", "--config"]).arg(config))
            .unwrap();
        until("volumed", || self.path("volumed/admin.sock").exists()).unwrap();

        let pem = self.text_path(&format!("{node}.pem"));
        let settings = openwrt::s3d_settings(&self.rack).replace("/etc/hayrack/tls.pem", &pem);
        let own = format!(
            "data = \"{}\"\nvolumed = \"{data}/admin.sock\"\nstore = \"{data}/meta.db\"\n\
             log_level = \"info,s3d::requests=debug\"\n",
            self.text_path("s3d")
        );
        let config = self.path("s3d.toml");
        fs::write(&config, settings + &own).unwrap();
        let mut s3d = self.machines.command(node, binaries.path("s3d").unwrap());
        let id = self
            .machines
            .start("s3d", s3d.args(["serve", "--config"]).arg(config))
            .unwrap();
        fs::write(self.path(&format!("{node}.pid")), id.to_string()).unwrap();
    }

    /// What s3d says to somebody in the world who trusts the authority alone.
    fn ask_trusting(&self, host: &str) -> anyhow::Result<String> {
        let (resolve, url) = (format!("{host}:443:{UPLINK}"), format!("https://{host}/"));
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
        self.machines.run("world", &ask)
    }

    /// The serial number of the certificate that is served.
    fn serial(&self) -> String {
        let show = format!(
            "openssl s_client -connect {UPLINK}:443 -servername s3.example.org </dev/null 2>/dev/null \
             | openssl x509 -noout -serial"
        );
        self.machines.run("world", &["sh", "-c", &show]).unwrap()
    }
}

#[test]
#[ignore = "`make router` runs it: it takes an authority, SSH servers and both daemons"]
fn a_certificate_comes_by_dns_01_and_reaches_s3d_without_a_restart() {
    let mut site = Site::start(&[NO_TUNNEL]).unwrap();
    site.lease_addresses().unwrap();
    site.start_authority();
    for node in NODES {
        let reload = site.reload_program(node);
        site.start_ssh(node, &reload);
    }
    site.issue();
    for node in NODES {
        let pem = fs::read_to_string(site.path(&format!("{node}.pem"))).unwrap();
        assert!(
            pem.contains("BEGIN CERTIFICATE") && pem.contains("PRIVATE KEY"),
            "{node}"
        );
        assert_eq!(site.reloads(node), 1);
    }
    site.start_s3d("node-1");
    site.start_haproxy().unwrap();
    let served = until("s3d is served to the world", || {
        site.ask_trusting("s3.example.org").is_ok()
    });
    served.unwrap_or_else(|error| panic!("{error}\n{}", site.machines.log()));
    for host in ["photos.s3.example.org", "s3-api.example.org"] {
        site.ask_trusting(host).unwrap();
    }
    let stranger = site.ask_trusting("a.b.s3.example.org");
    assert!(stranger.is_err(), "an asterisk stands for one label");
    let log = site.machines.log();
    assert!(log.contains(&format!("client={WORLD}")), "{log}");

    // What is there already changes nothing; a new one is read without a restart.
    let push = site.text_path("push-certificate");
    site.machines.run("router", &[&push]).unwrap();
    assert_eq!(site.reloads("node-1"), 1);
    let first = site.serial();
    site.issue();
    until("the new certificate is served", || {
        let serial = site.serial();
        !serial.is_empty() && serial != first
    })
    .unwrap();
    assert_eq!(site.reloads("node-1"), 2);
    site.ask_trusting("s3.example.org").unwrap();

    // The key opens nothing else, and nonsense is refused.
    let key = site.text_path("certificate.key");
    let known = format!("UserKnownHostsFile={}", site.text_path("known_hosts"));
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
    let refused = site
        .machines
        .run_with("router", &ssh, "nonsense")
        .unwrap_err();
    assert!(
        format!("{refused:#}").contains("no certificate came"),
        "{refused:#}"
    );
    site.ask_trusting("s3.example.org").unwrap();
}
