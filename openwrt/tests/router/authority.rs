//! An authority in the world, and what the router does to have a certificate of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use hayrack_rack::network::output;

use crate::site::{Site, WORLD, file, until};
use crate::uci::{Section, parse};

impl Site {
    /// Starts the authority, and the DNS server that it asks.
    pub fn start_authority(&mut self) -> anyhow::Result<()> {
        let config = self.authority_config()?;
        let mut dns = self.machines.command("world", "pebble-challtestsrv");
        dns.args(["-dns01", "127.0.0.1:8053"]);
        dns.args(["-management", &format!("{WORLD}:8055")]);
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        self.machines.start("challtestsrv", &mut dns)?;
        let mut pebble = self.machines.command("world", "pebble");
        pebble.args(["-dnsserver", "127.0.0.1:8053", "-config", &config]);
        pebble
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0");
        self.machines.start("pebble", &mut pebble)?;
        let root = format!("https://{WORLD}:15000/roots/0");
        until("the authority answers", || {
            let root = self.machines.run("world", &["curl", "-sSfk", &root]);
            root.is_ok_and(|root| fs::write(self.path("root.pem"), root).is_ok())
        })
    }

    fn authority_config(&self) -> anyhow::Result<String> {
        let certificate = self.text_path("authority.crt");
        let key = self.text_path("authority.key");
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
        output(&mut make, "")?;
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "{WORLD}:14000", "managementListenAddress": "{WORLD}:15000",
            "certificate": "{certificate}", "privateKey": "{key}", "httpPort": 5002, "tlsPort": 5001,
            "ocspResponderURL": "", "externalAccountBindingRequired": false}}}}"#
        );
        let path = self.text_path("pebble.json");
        fs::write(&path, config)?;
        Ok(path)
    }

    /// Has the router's ACME client get the rack's own certificate, once more if it has one; what follows is the hook's
    /// work.
    pub fn issue(&self) -> anyhow::Result<()> {
        let settings = self.acme_settings()?;
        self.order(&settings[0], &settings[1])
    }

    /// Has it get every certificate that its settings name and that it does not have.
    pub fn renew(&self) -> anyhow::Result<()> {
        let settings = self.acme_settings()?;
        for certificate in &settings[1..] {
            let first = certificate.list("domains").next();
            let first = first.context("a certificate without a name")?;
            if !self.path(&format!("{first}.combined.crt")).exists() {
                self.order(&settings[0], certificate)?;
            }
        }
        Ok(())
    }

    /// Does once what cron does every minute, and what comes of it.
    pub fn pass_a_minute(&self) -> anyhow::Result<()> {
        let text = file(&self.rendered.router, "etc/hayrack/namespaces.acme")?;
        fs::write(self.path("namespaces.acme"), text)?;
        let orders = self.path("orders");
        self.write_program(
            "renew-acme",
            &format!("#!/bin/sh\ntouch {}\n", orders.display()),
        )?;
        let program = self.router_program("certify-namespaces")?;
        let mut certify = self.machines.command("router", program);
        certify.env("CURL_CA_BUNDLE", self.path("root.pem"));
        output(&mut certify, "")?;
        if orders.exists() {
            fs::remove_file(orders)?;
            self.renew()?;
        }
        Ok(())
    }

    /// The settings as they are now: the account, then the certificates.
    fn acme_settings(&self) -> anyhow::Result<Vec<Section>> {
        let settings = self.path("acme");
        if !settings.exists() {
            fs::write(&settings, file(&self.rendered.router, "etc/config/acme")?)?;
        }
        parse(&fs::read_to_string(settings)?)
    }

    fn order(&self, account: &Section, certificate: &Section) -> anyhow::Result<()> {
        self.write_hook()?;
        let domains: Vec<_> = certificate.list("domains").collect();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/router/acme/issue");
        let mut issue = self.machines.command("router", script);
        issue
            .arg(self.machines.folder())
            .arg(self.path("60-hayrack"));
        issue.env("domains", domains.join(" "));
        issue.env("account_email", account.wanted("account_email")?);
        for name in ["acme_server", "dns"] {
            issue.env(name, certificate.wanted(name)?);
        }
        for credential in certificate.list("credentials") {
            // As a shell reads it.
            let words = parse(&format!("config a\noption b {credential}"))?;
            let (name, value) = words[0].wanted("b")?.split_once('=').unwrap_or_default();
            issue.env(name, value);
        }
        output(&mut issue, "").map(drop)
    }

    /// The rendered hook, and what it runs, with the paths of this test.
    fn write_hook(&self) -> anyhow::Result<()> {
        let program = self.router_program("push-certificate")?;
        let hook = file(&self.rendered.router, "etc/hotplug.d/acme/60-hayrack")?;
        let hook = hook.replace("/usr/lib/hayrack/push-certificate", &program);
        Ok(fs::write(self.path("60-hayrack"), hook)?)
    }

    /// A program of the router's, with the paths of this test; and where it is.
    fn router_program(&self, name: &str) -> anyhow::Result<String> {
        let own = self.machines.folder().display().to_string();
        let text = file(&self.rendered.router, &format!("usr/lib/hayrack/{name}"))?;
        let text = text
            .replace("/etc/config/acme", &format!("{own}/acme"))
            .replace("/etc/init.d/acme", &format!("{own}/renew-acme"))
            .replace("/etc/ssl/acme", &own)
            .replace("/etc/hayrack", &own);
        self.write_program(name, &text)
    }
}
