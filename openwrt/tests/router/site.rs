//! A rack's router in front of three nodes, run from the files that are rendered for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hayrack_rack::network::output;
use openwrt::{File, Rendered, SecretName, Secrets};
use rack_model::Rack;

use crate::machines::{Machines, Plug};
use crate::uci::{Section, parse};
use crate::{devices, names, rules};

pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// A client in the world, which is the uplink's gateway, too.
pub const WORLD: &str = "198.51.100.1";
/// The router's own address there.
pub const UPLINK: &str = "198.51.100.2";
/// The rented machine's.
pub const RENTED: &str = "198.51.100.7";

/// Takes the tunnel out of `rack.toml`. Tests with one run one after the other: interfaces of wireguard-go need names of
/// their own on the whole machine.
pub const NO_TUNNEL: (&str, &str) = ("tunnel = {", "# tunnel = {");

/// Nobody waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// The machines, and what they were made from.
pub struct Site {
    pub machines: Machines,
    pub rack: Rack,
    pub rendered: Rendered,
    /// The rented machine's private key.
    rented_key: String,
    /// The process that leases addresses.
    dnsmasq: u32,
    /// Locked as long as there is a tunnel.
    _tunnel: Option<fs::File>,
}

impl Site {
    /// All machines, with the router's network, firewall and names; nodes have cards, but no addresses.
    ///
    /// `replacements` change the text of the tests' `rack.toml`.
    pub fn start(replacements: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (rented_key, rented_public) = wireguard_pair()?;
        let mut text = include_str!("rack.toml").to_owned();
        let example = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        text = text.replace(example, &rented_public);
        for (from, to) in replacements {
            ensure!(text.contains(from), "{from} is not in rack.toml");
            text = text.replace(from, to);
        }
        let rack = Rack::parse("rack.toml", &text)?;
        let rendered = openwrt::render(&rack, &secrets()?)?;
        Self::of(rack, rendered, rented_key)
    }

    /// The same, of any rack of three nodes with the addresses of the tests'.
    pub fn of(rack: Rack, rendered: Rendered, rented_key: String) -> anyhow::Result<Self> {
        let has_tunnel = rack.public.tunnel.is_some();
        let mut site = Self {
            _tunnel: has_tunnel.then(lock_tunnel).transpose()?,
            machines: Machines::new()?,
            rack,
            rendered,
            rented_key,
            dnsmasq: 0,
        };
        site.plug_in()?;
        site.start_router()?;
        Ok(site)
    }

    fn plug_in(&self) -> anyhow::Result<()> {
        let machines = &self.machines;
        for machine in ["router", "world", "rented", "guest"].iter().chain(&NODES) {
            machines.add(machine)?;
        }
        let (lan, wan) = (&self.rack.router.lan, &self.rack.router.wan.device);
        machines.plug("router", lan.as_str(), Plug::Inside, None)?;
        machines.plug("router", wan.as_str(), Plug::Outside, None)?;
        machines.plug("world", "eth0", Plug::Outside, None)?;
        machines.ip("world", &format!("addr add {WORLD}/24 dev eth0"))?;
        machines.plug("rented", "eth0", Plug::Outside, None)?;
        machines.ip("rented", &format!("addr add {RENTED}/24 dev eth0"))?;
        machines.plug("guest", "eth0", Plug::Inside, None)?;
        for node in &self.rack.nodes {
            let mac = node.known_mac()?.to_string();
            machines.plug(node.name.as_str(), "eth0", Plug::Inside, Some(&mac))?;
        }
        Ok(())
    }

    /// What OpenWrt does when it starts.
    fn start_router(&mut self) -> anyhow::Result<()> {
        let network = self.config("network")?;
        let devices = devices::translate(&network)?;
        if let Some((name, config)) = &devices.tunnel {
            self.start_tunnel("router", name, config)?;
        }
        for words in &devices.commands {
            self.machines.ip("router", words)?;
        }
        let rules = rules::translate(&self.config("firewall")?, &network)?;
        self.machines
            .run_with("router", &["nft", "-f", "-"], &rules)?;
        let forwards = ["sysctl", "-qw", "net.ipv4.ip_forward=1"];
        self.machines.run("router", &forwards)?;
        self.start_names()
    }

    /// Takes an address back from the machine that it is leased to, as README.md says. Until [`Self::start_names`] nobody
    /// is given any.
    pub fn forget_lease(&mut self, address: &str) -> anyhow::Result<()> {
        self.machines.stop(self.dnsmasq);
        let leases = fs::read_to_string(self.path("leases"))?;
        let kept = leases
            .lines()
            .filter(|line| !line.contains(&format!(" {address} ")));
        let kept = kept.collect::<Vec<_>>().join("\n");
        Ok(fs::write(self.path("leases"), kept + "\n")?)
    }

    /// Has the router lease addresses and answer for names, as its files now say.
    pub fn start_names(&mut self) -> anyhow::Result<()> {
        self.machines.stop(self.dnsmasq);
        let (network, dhcp) = (self.config("network")?, self.config("dhcp")?);
        let folder = self.machines.folder().to_owned();
        let config = names::translate(&dhcp, &network, &folder)?;
        fs::write(folder.join("dnsmasq.conf"), config)?;
        let mut dnsmasq = self.machines.command("router", "dnsmasq");
        dnsmasq
            .arg("--keep-in-foreground")
            .arg("-C")
            .arg(folder.join("dnsmasq.conf"));
        self.dnsmasq = self.machines.start("dnsmasq", &mut dnsmasq)?;
        Ok(())
    }

    fn start_tunnel(&mut self, machine: &str, name: &str, config: &str) -> anyhow::Result<()> {
        let mut tunnel = self.machines.command(machine, "wireguard-go");
        self.machines
            .start("wireguard-go", tunnel.args(["-f", name]))?;
        until(&format!("the interface {name}"), || {
            self.machines
                .ip(machine, &format!("link show {name}"))
                .is_ok()
        })?;
        let set = ["wg", "setconf", name, "/dev/stdin"];
        until(&format!("{name} is set"), || {
            self.machines.run_with(machine, &set, config).is_ok()
        })
    }

    /// What wg-quick does on the rented machine, from the files that are rendered for it.
    pub fn start_rented(&mut self) -> anyhow::Result<()> {
        let folder = self.machines.folder().to_owned();
        let nft = folder.join("hayrack.nft");
        fs::write(
            &nft,
            file(&self.rendered.rented, "etc/nftables.d/hayrack.nft")?,
        )?;
        let key = folder.join("hayrack.key");
        fs::write(&key, &self.rented_key)?;
        let quick = file(&self.rendered.rented, "etc/wireguard/hayrack.conf")?
            .replace("/etc/nftables.d/hayrack.nft", &nft.display().to_string())
            .replace("/etc/wireguard/%i.key", &key.display().to_string())
            .replace("%i", "hayrack");
        let own = ["Address", "PostUp", "PostDown"];
        let (own, wg): (Vec<_>, Vec<_>) = quick
            .lines()
            .partition(|line| own.iter().any(|name| line.starts_with(name)));
        self.start_tunnel("rented", "hayrack", &wg.join("\n"))?;
        for line in own {
            let (name, value) = line.split_once(" = ").context("a line without a value")?;
            match name {
                "Address" => {
                    self.machines
                        .ip("rented", &format!("addr add {value} dev hayrack"))?;
                    self.machines.ip("rented", "link set hayrack up")?;
                }
                "PostUp" => drop(self.machines.run("rented", &["sh", "-c", value])?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Starts HAProxy as it is configured; certificates are in the test's own folder.
    pub fn start_haproxy(&mut self) -> anyhow::Result<()> {
        let folder = self.machines.folder().display().to_string();
        let config = file(&self.rendered.router, "etc/haproxy.cfg")?;
        let config = config.replace("/etc/hayrack", &folder);
        if let Ok(list) = file(&self.rendered.router, "etc/hayrack/certificates") {
            let list = list.replace("/etc/ssl/acme", &folder);
            fs::write(self.path("certificates"), list)?;
        }
        let path = self.machines.folder().join("haproxy.cfg");
        fs::write(&path, config)?;
        let mut haproxy = self.machines.command("router", "haproxy");
        self.machines
            .start("haproxy", haproxy.args(["-W", "-db", "-f"]).arg(path))?;
        Ok(())
    }

    /// Has every machine inside ask for an address.
    pub fn lease_addresses(&self) -> anyhow::Result<()> {
        let mut machines = NODES.iter().chain(&["guest"]);
        machines.try_for_each(|machine| self.lease_address(machine))
    }

    /// Has a machine ask for an address.
    pub fn lease_address(&self, machine: &str) -> anyhow::Result<()> {
        let leased = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip addr add $ip/$mask dev $interface\n\
                      ip route add default via $router\n";
        let script = self.write_program("leased", leased)?;
        let ask = [
            "udhcpc", "-i", "eth0", "-n", "-q", "-t", "4", "-T", "1", "-s", &script,
        ];
        self.machines.run(machine, &ask).map(drop)
    }

    /// The address that a machine inside was given.
    pub fn address(&self, machine: &str) -> anyhow::Result<String> {
        let shown = self
            .machines
            .run(machine, &["ip", "-4", "-o", "addr", "show", "eth0"])?;
        let mut words = shown.split_whitespace().skip_while(|word| *word != "inet");
        Ok(words.nth(1).context("no address was leased")?.to_owned())
    }

    /// Starts a node's servers, ready at once; with TLS if `certificate` is given.
    pub fn start_nodes(&mut self, port: u16, certificate: Option<&Path>) -> anyhow::Result<()> {
        for node in NODES {
            self.set_ready(node, true)?;
            let mut server = self.machines.command(node, "python3");
            server
                .arg(python("node.py"))
                .args([node, &port.to_string()]);
            server.arg(self.ready(node)).args(certificate);
            self.machines.start("node", &mut server)?;
        }
        Ok(())
    }

    /// Whether a node's `/readyz` says 200.
    pub fn set_ready(&self, node: &str, ready: bool) -> anyhow::Result<()> {
        if ready {
            Ok(fs::write(self.ready(node), "")?)
        } else {
            Ok(fs::remove_file(self.ready(node))?)
        }
    }

    fn ready(&self, node: &str) -> PathBuf {
        self.machines.folder().join(format!("{node}.ready"))
    }

    /// A certificate with its key, in one file.
    pub fn certificate(&self) -> anyhow::Result<PathBuf> {
        let pem = self.machines.folder().join("s3.example.org.combined.crt");
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
        make.args([
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-subj",
            "/CN=s3.example.org",
        ]);
        make.arg("-out").arg(&pem).arg("-keyout").arg(&pem);
        output(&mut make, "")?;
        Ok(pem)
    }

    /// What answers at an address, asked from a machine over TLS for a name; empty if nothing does.
    pub fn ask(&self, from: &str, address: &str, name: &str) -> anyhow::Result<String> {
        let script = python("ask.py");
        let script = script.to_str().context("a path that is text")?;
        let answer = self
            .machines
            .run(from, &["python3", script, address, "443", name])?;
        Ok(answer.trim().to_owned())
    }

    /// Those of the TCP ports 1 to `last` of an address that answer a machine.
    pub fn open_ports(&self, from: &str, address: &str, last: u16) -> anyhow::Result<String> {
        let script = python("scan.py");
        let script = script.to_str().context("a path that is text")?;
        let ports = self
            .machines
            .run(from, &["python3", script, address, "1", &last.to_string()])?;
        Ok(ports.trim().to_owned())
    }

    /// A path in the test's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.machines.folder().join(name)
    }

    /// As [`Self::path`], for commands and files.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a program to the test's own folder, and says where it is.
    pub fn write_program(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.text_path(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// The sections of one of the router's files.
    pub fn config(&self, name: &str) -> anyhow::Result<Vec<Section>> {
        parse(file(&self.rendered.router, &format!("etc/config/{name}"))?)
    }
}

/// The text of a file.
pub fn file<'f>(files: &'f [File], path: &str) -> anyhow::Result<&'f str> {
    let found = files.iter().find(|file| file.path == path);
    Ok(&found
        .with_context(|| format!("{path} is not rendered"))?
        .text)
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        ensure!(Instant::now() < deadline, "not yet: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn python(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/router/python")
        .join(name)
}

fn lock_tunnel() -> anyhow::Result<fs::File> {
    let lock = fs::File::create(std::env::temp_dir().join("hayrack-tunnel.lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// A private and a public key of WireGuard's.
pub fn wireguard_pair() -> anyhow::Result<(String, String)> {
    let private = output(Command::new("wg").arg("genkey"), "")?;
    let public = output(Command::new("wg").arg("pubkey"), &private)?;
    Ok((private, public.trim().to_owned()))
}

fn secrets() -> anyhow::Result<Secrets> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key");
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-C", "certificate", "-f"]);
    output(make.arg(&key), "")?;
    Ok(Secrets::default()
        .with(SecretName::WireGuardKey, wireguard_pair()?.0)
        .with(SecretName::AcmeDns, "CHALLENGES=http://198.51.100.1:8055")
        .with(SecretName::CertificateKey, fs::read_to_string(&key)?))
}
