//! Network namespaces on a bridge.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::unistd::geteuid;

use super::NodeIndex;
use super::commands::output;
use super::cut::{Cut, table};
use super::machine::Machine;
use crate::name::RackName;

/// This machine's part of the address in every rack's network.
const MACHINE: u8 = 254;

/// The system removes an interface some time after its namespace.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The namespaces of one rack: one for each node, one for the bridge between them.
#[derive(Debug)]
pub struct Namespaces {
    name: RackName,
    subnet: u8,
}

/// Whether this process may make namespaces.
pub fn may_be_made(name: RackName) -> bool {
    let probe = format!("{name}-probe");
    geteuid().is_root()
        && ip(&format!("netns add {probe}")).is_ok()
        && remove_namespace(&probe).is_ok()
}

/// The names of all network namespaces of this machine.
///
/// # Errors
/// When `ip` cannot be run.
pub fn namespaces() -> anyhow::Result<Vec<String>> {
    let listed = ip("netns list")?;
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

/// Removes a namespace, with what connects it to others.
///
/// # Errors
/// When there is none.
pub fn remove_namespace(name: &str) -> anyhow::Result<()> {
    ip(&format!("netns del {name}")).map(drop)
}

impl Namespaces {
    /// Makes them for nodes 1 to `nodes`, in the subnet `wanted`, else in any that this machine has no other use for.
    pub fn make(name: RackName, nodes: u8, wanted: Option<u8>) -> anyhow::Result<Self> {
        ip(&format!("netns add {name}-switch"))?;
        let on_switch = |what: &str| ip(&format!("-n {name}-switch {what}"));
        on_switch("link add switch type bridge")?;
        on_switch("link set switch up")?;
        let subnet = connect_machine(name, wanted)?;
        on_switch("link set machine master switch up")?;
        let made = Self { name, subnet };
        for node in 1..=nodes {
            made.connect(NodeIndex(node))?;
        }
        Ok(made)
    }

    fn connect(&self, node: NodeIndex) -> anyhow::Result<()> {
        let (own, switch) = (self.of(node), format!("{}-switch", self.name));
        let (port, address) = (format!("port{}", node.0), self.address(node));
        ip(&format!("netns add {own}"))?;
        ip(&format!("-n {own} link set lo up"))?;
        let pair = format!("link add {port} type veth peer name eth0 netns {own}");
        ip(&format!("-n {switch} {pair}"))?;
        ip(&format!("-n {switch} link set {port} master switch up"))?;
        ip(&format!("-n {own} addr add {address}/24 dev eth0"))?;
        ip(&format!("-n {own} link set eth0 up")).map(drop)
    }

    fn of(&self, node: NodeIndex) -> String {
        format!("{}-{}", self.name, node.0)
    }

    /// Which of the subnets 10.99.X.0/24 they are in.
    pub fn subnet(&self) -> u8 {
        self.subnet
    }

    /// Where a node is.
    pub fn address(&self, node: NodeIndex) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.subnet, node.0)
    }

    /// A command in a node's namespace.
    pub fn command(&self, node: NodeIndex, program: &OsStr) -> Command {
        let (namespace, address) = (self.of(node), self.address(node));
        Machine { namespace, address }.command(program)
    }

    /// Drops at a node what `cuts` name, and nothing else.
    pub fn cut(&self, node: NodeIndex, cuts: &[Cut]) -> anyhow::Result<()> {
        let mut nft = self.command(node, OsStr::new("nft"));
        output(nft.args(["-f", "-"]), &table(cuts)).map(drop)
    }
}

/// Gives this machine an address in a subnet of the rack's own, and answers which: `wanted`, if there is one.
fn connect_machine(name: RackName, wanted: Option<u8>) -> anyhow::Result<u8> {
    let Some(wanted) = wanted else {
        let first = std::process::id() as u8;
        let mut subnets = (0..=u8::MAX).map(|step| first.wrapping_add(step));
        let free = subnets.find_map(|subnet| connect(name, subnet).transpose());
        return free.unwrap_or_else(|| bail!("every subnet of 10.99.0.0/16 is in use here"));
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(subnet) = connect(name, wanted)? {
            return Ok(subnet);
        }
        let in_time = Instant::now() < deadline;
        ensure!(
            in_time,
            "10.99.{wanted}.0/24 is in use here, where the rack's nodes have their addresses"
        );
        thread::sleep(LOOK_AGAIN);
    }
}

/// Gives this machine an address in a subnet, unless it is in use.
fn connect(name: RackName, subnet: u8) -> anyhow::Result<Option<u8>> {
    let routes = ip("-4 route show table all")?;
    if routes.contains(&format!("10.99.{subnet}.")) {
        return Ok(None);
    }
    // The interface's name is what others that choose at the same time fail on.
    let pair = format!("link add hayrack{subnet} type veth peer name machine");
    match ip(&format!("{pair} netns {name}-switch")) {
        Ok(_) => {}
        Err(error) if format!("{error:#}").contains("exists") => return Ok(None),
        Err(error) => return Err(error),
    }
    let address = format!("10.99.{subnet}.{MACHINE}/24");
    ip(&format!("addr add {address} dev hayrack{subnet}"))?;
    ip(&format!("link set hayrack{subnet} up"))?;
    Ok(Some(subnet))
}

fn ip(words: &str) -> anyhow::Result<String> {
    output(Command::new("ip").args(words.split_whitespace()), "")
        .context("iproute2 makes the network of a rack")
}
