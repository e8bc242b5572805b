//! When the router orders certificates for namespaces, and which. It needs no root: what the program calls is not there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use hayrack_rack::network::output;
use openwrt::{SecretName, Secrets};
use rack_model::Rack;
use tempfile::TempDir;

use crate::site::{NO_TUNNEL, file};
use crate::uci::{Section, parse};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
const OWN: &str = "s3.example.org";
const HOME: &str = "*.home.s3.example.org";
const ATTIC: &str = "*.attic.s3.example.org";

/// A router's folder. `names` in it is what nodes say.
struct Router(TempDir);

impl Router {
    /// One that has its own certificate.
    fn new() -> Self {
        let (from, to) = NO_TUNNEL;
        let text = include_str!("rack.toml").replace(from, to);
        let secrets = Secrets::default()
            .with(SecretName::AcmeDns, "CF_Token=it's a token\n")
            .with(SecretName::CertificateKey, KEY);
        let rack = Rack::parse("rack.toml", &text).expect("the tests' rack");
        let files = openwrt::render(&rack, &secrets).expect("its files").router;
        let router = Self(tempfile::tempdir().expect("a folder"));
        let own = router.0.path().display().to_string();
        let text = |path| file(&files, path).expect("a rendered file");
        let program = text("usr/lib/hayrack/certify-namespaces")
            .replace("/etc/config/acme", &format!("{own}/acme"))
            .replace("/etc/init.d/acme", &format!("{own}/renew"))
            .replace("/etc/ssl/acme", &own)
            .replace("/etc/hayrack", &own);
        router.write("acme", text("etc/config/acme"));
        router.write("namespaces.acme", text("etc/hayrack/namespaces.acme"));
        router.write_program("certify", &program);
        router.write_program(
            "renew",
            &format!("#!/bin/sh\necho \"$1\" >>{own}/renewals\n"),
        );
        router.write_program("logger", "#!/bin/sh\nshift 3\necho \"$@\" >&2\n");
        router.write_program("curl", &format!("#!/bin/sh\nexec cat {own}/names\n"));
        router.issue(OWN);
        router
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file can be written");
    }

    fn write_program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755))
            .expect("a program can be");
    }

    /// Has the ACME client get the certificate whose first name that is.
    fn issue(&self, name: &str) {
        self.write(&format!("{name}.combined.crt"), "");
    }

    /// Runs the program while nodes say these names.
    fn run(&self, names: &[&str]) -> anyhow::Result<String> {
        self.write("names", &(names.join("\n") + "\n"));
        let others = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{others}", self.0.path().display());
        output(Command::new(self.path("certify")).env("PATH", path), "")
    }

    /// The orders, with their names.
    fn orders(&self) -> Vec<Section> {
        let settings = fs::read_to_string(self.path("acme")).expect("there are settings");
        // The account, and the router's own certificate.
        parse(&settings).expect("they can be read").split_off(2)
    }

    fn ordered(&self) -> Vec<Vec<String>> {
        let names = |order: &Section| order.list("domains").map(str::to_owned).collect();
        self.orders().iter().map(names).collect()
    }

    fn renewals(&self) -> usize {
        let said = fs::read_to_string(self.path("renewals"));
        said.unwrap_or_default().lines().count()
    }

    /// Makes the last order older by so many seconds.
    fn age(&self, seconds: u64) {
        let orders = self.orders();
        let name = orders
            .last()
            .and_then(|order| order.name.clone())
            .expect("there is an order");
        let time: u64 = name
            .strip_prefix("namespaces_")
            .expect("its time is in its name")
            .parse()
            .expect("a number");
        let older = format!("namespaces_{}", time - seconds);
        let settings = fs::read_to_string(self.path("acme")).expect("there are settings");
        self.write("acme", &settings.replace(&name, &older));
    }
}

#[test]
fn new_namespaces_are_ordered_together_as_the_racks_own_certificate_is() {
    let router = Router::new();
    router.run(&[]).unwrap();
    assert_eq!((router.orders().len(), router.renewals()), (0, 0));
    router.run(&[HOME, ATTIC]).unwrap();
    assert_eq!(router.ordered(), [["home.s3.example.org", HOME, ATTIC]]);
    assert_eq!(router.renewals(), 1);
    let order = &router.orders()[0];
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let name = order
        .name
        .as_deref()
        .and_then(|name| name.strip_prefix("namespaces_"));
    assert!(name.unwrap().parse::<u64>().unwrap().abs_diff(now) < 60);
    let settings = fs::read_to_string(router.path("acme")).unwrap();
    let own = &parse(&settings).unwrap()[1];
    for option in ["acme_server", "dns", "validation_method", "credentials"] {
        assert_eq!(order.wanted(option).unwrap(), own.wanted(option).unwrap());
    }
    let mode = fs::metadata(router.path("acme"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "credentials are in it");
}

#[test]
fn names_that_come_while_an_order_is_under_way_wait_for_it() {
    let router = Router::new();
    router.run(&[HOME]).unwrap();
    router.run(&[HOME, ATTIC]).unwrap();
    assert_eq!((router.orders().len(), router.renewals()), (1, 1));
    router.issue("home.s3.example.org");
    router.run(&[HOME, ATTIC]).unwrap();
    assert_eq!(router.ordered()[1], ["attic.s3.example.org", ATTIC]);
    router.issue("attic.s3.example.org");
    router.run(&[HOME, ATTIC]).unwrap();
    assert_eq!((router.orders().len(), router.renewals()), (2, 2));
}

#[test]
fn an_order_without_a_certificate_is_given_up_after_an_hour() {
    let router = Router::new();
    router.run(&[HOME]).unwrap();
    router.age(3_500);
    router.run(&[HOME, ATTIC]).unwrap();
    assert_eq!(router.orders().len(), 1);
    router.age(200);
    router.run(&[ATTIC, HOME]).unwrap();
    assert_eq!(router.ordered(), [["attic.s3.example.org", ATTIC, HOME]]);
    assert_eq!(router.renewals(), 2);
}

#[test]
fn only_names_of_namespaces_are_ordered_and_no_more_than_an_authority_takes() {
    let router = Router::new();
    let strange = [
        "*.example.com",
        "*.s3.example.org",
        "s3.example.org",
        "*.a.b.s3.example.org",
        "*.x' 'y.s3.example.org",
        "*.s3.example.org.evil.example",
    ];
    router.run(&strange).unwrap();
    assert_eq!(router.orders().len(), 0);
    let many: Vec<_> = (0..120).map(|n| format!("*.n{n}.s3.example.org")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    router.run(&many).unwrap();
    assert_eq!(router.ordered()[0].len(), 100);
    router.issue("n0.s3.example.org");
    router.run(&many).unwrap();
    assert_eq!(router.ordered()[1].len(), 22);
}

#[test]
fn nothing_is_asked_before_the_rack_has_a_certificate_and_silence_is_an_error() {
    let router = Router::new();
    router.write_program("curl", "#!/bin/sh\nexit 7\n");
    let refused = router.run(&[HOME]).unwrap_err();
    assert!(
        format!("{refused:#}").contains("no node says"),
        "{refused:#}"
    );
    fs::remove_file(router.path(&format!("{OWN}.combined.crt"))).unwrap();
    router.run(&[HOME]).unwrap();
    assert_eq!(router.orders().len(), 0);
}
