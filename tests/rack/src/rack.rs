//! Nodes that are one cluster, and what can go wrong with them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binaries::Binaries;
use crate::name::RackName;
use crate::network::{Cut, Machine, Network, NodeIndex};
use crate::node::{Daemon, Node};
use crate::sweep::{Sweeper, sweep_left_behind};

/// The program of this crate, which sweeps.
const PROGRAM: &str = "hayrack-rack";

/// Nodes that keep the metadata store at most.
const STORE_MEMBERS: usize = 3;

/// A rack on this machine. When it is dropped, or its process ends in whatever way, its daemons are killed and its
/// network is removed; its folder stays.
#[derive(Debug)]
pub struct Rack {
    nodes: Vec<Node>,
    /// What each node is cut off from.
    cuts: Vec<Vec<Cut>>,
    network: Network,
    /// Dropped last.
    _sweeper: Sweeper,
}

impl Rack {
    /// Nodes 1 to `count` with their state in `folder`, as an earlier rack left it or new; none runs yet.
    ///
    /// # Errors
    /// When the network or the folders cannot be made.
    pub fn make(folder: &Path, binaries: &Binaries, count: u8) -> anyhow::Result<Self> {
        Self::make_swept(RackName::next(), folder, binaries, count, None)
    }

    /// A rack of the machines that somebody else made under its name; `listening` is as at [`Node::make`].
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn of_machines(
        name: RackName,
        folder: &Path,
        binaries: &Binaries,
        machines: Vec<Machine>,
        listening: &str,
    ) -> anyhow::Result<Self> {
        let sweeper = Sweeper::start(&binaries.path(PROGRAM)?, name, None)?;
        let count = u8::try_from(machines.len()).context("these are too many machines")?;
        let network = Network::Machines(machines);
        let nodes = nodes(name, folder, binaries, &network, count, Some(listening))?;
        Ok(Self::of(nodes, network, sweeper))
    }

    /// As [`make`](Self::make), in a folder that is removed with everything else.
    ///
    /// # Errors
    /// When the network or the folders cannot be made.
    pub fn make_for_once(binaries: &Binaries, count: u8) -> anyhow::Result<Self> {
        let name = RackName::next();
        let folder = std::env::temp_dir().join(name.to_string());
        Self::make_swept(name, &folder, binaries, count, Some(&folder))
    }

    fn make_swept(
        name: RackName,
        folder: &Path,
        binaries: &Binaries,
        count: u8,
        remove: Option<&Path>,
    ) -> anyhow::Result<Self> {
        sweep_left_behind()?;
        let sweeper = Sweeper::start(&binaries.path(PROGRAM)?, name, remove)?;
        let network = make_network(name, folder, count)?;
        let nodes = nodes(name, folder, binaries, &network, count, None)?;
        Ok(Self::of(nodes, network, sweeper))
    }

    fn of(nodes: Vec<Node>, network: Network, sweeper: Sweeper) -> Self {
        Self {
            cuts: vec![Vec::new(); nodes.len()],
            nodes,
            network,
            _sweeper: sweeper,
        }
    }

    /// The nodes' numbers.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        let numbers: Vec<_> = self.nodes.iter().map(|node| node.index).collect();
        numbers.into_iter()
    }

    /// A node.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[position(index)]
    }

    /// A node, to do something to it.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn node_mut(&mut self, index: NodeIndex) -> &mut Node {
        &mut self.nodes[position(index)]
    }

    /// Whether nodes can be cut off here.
    pub fn can_cut(&self) -> bool {
        self.network.can_cut()
    }

    /// Makes all nodes one cluster, the first with what its folder holds; nodes that are in it already stay. All of
    /// them run in the end.
    ///
    /// # Errors
    /// When a step of it fails.
    pub fn found(&mut self) -> anyhow::Result<()> {
        let first = NodeIndex(1);
        if !self.is_member(first) {
            self.member_command(first, &["cluster", "init"])?;
        }
        if self.indices().all(|index| self.is_member(index)) {
            self.start_all()?;
        } else {
            self.start(first)?;
            self.indices()
                .skip(1)
                .try_for_each(|index| self.join(index))?;
        }
        self.until_store_is_whole()
    }

    /// Waits until as many nodes as can be keep the metadata store, and all of them answer: then one may be lost.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn until_store_is_whole(&mut self) -> anyhow::Result<()> {
        let (network, wanted) = (&self.network, self.nodes.len().min(STORE_MEMBERS));
        let node = self.nodes.first_mut().context("a rack has nodes")?;
        node.until("a whole metadata store", |node| {
            let cluster = node.ask(network, &["cluster", "show"])?;
            let members = cluster["members"]
                .as_array()
                .context("etcd does not answer")?;
            let holds = |member: &&Value| member["votes"] == true && member["answers"] == true;
            let whole = members.len() == wanted && members.iter().filter(holds).count() == wanted;
            ensure!(whole, "its members are {members:?}");
            Ok(true)
        })
    }

    /// Lets a node in whose folders are empty, by a token of the first node that runs, and starts it.
    ///
    /// # Errors
    /// When no node runs, or the node is refused.
    pub fn join(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        if self.is_member(index) {
            return self.start(index);
        }
        let token = self.token()?;
        self.join_by(index, &token)
    }

    /// Has a node whose folders are empty join by this token, and starts it.
    ///
    /// # Errors
    /// When the node is refused.
    pub fn join_by(&mut self, index: NodeIndex, token: &str) -> anyhow::Result<()> {
        self.member_command(index, &["cluster", "join", "--token", token])?;
        self.start(index)
    }

    fn token(&mut self) -> anyhow::Result<String> {
        let mut nodes = self.nodes.iter_mut();
        let member = nodes.find_map(|node| node.runs(Daemon::Volumed).then_some(node.index));
        let member = member.context("No node runs that could let another in")?;
        let member = self.node(member);
        let socket = member.admin_socket();
        let socket = socket.to_str().context("the socket's path is not UTF-8")?;
        let printed = member.volumed(&self.network, &["cluster", "token", "--socket", socket])?;
        Ok(printed.trim().to_owned())
    }

    fn is_member(&self, index: NodeIndex) -> bool {
        let cluster = self.node(index).volumed_data().join("cluster");
        cluster.join("node.json").exists()
    }

    /// A command that makes a node a member, and is told of its name, address, data and settings.
    fn member_command(&self, index: NodeIndex, words: &[&str]) -> anyhow::Result<()> {
        let node = self.node(index);
        let (name, address) = (node.name(), node.address.to_string());
        let (data, config) = (node.volumed_data(), node.settings(Daemon::Volumed));
        let paths = [data.to_str(), config.to_str()];
        let [Some(data), Some(config)] = paths else {
            anyhow::bail!("{} is not UTF-8", data.display());
        };
        let mut words = words.to_vec();
        words.extend(["--name", &name, "--address", &address]);
        words.extend(["--data", data, "--config", config]);
        node.volumed(&self.network, &words).map(drop)
    }

    /// Starts both daemons of a node, as far as they do not run, and waits until they serve.
    ///
    /// # Errors
    /// When they do not come to serve.
    pub fn start(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        self.spawn(index)?;
        self.until_serving(index)
    }

    /// Starts the daemons of all nodes at once, as when power comes back.
    ///
    /// # Errors
    /// When one does not come to serve.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        self.indices().try_for_each(|index| self.spawn(index))?;
        self.indices()
            .try_for_each(|index| self.until_serving(index))
    }

    /// Starts both daemons of a node, as far as they do not run, serving or not.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn spawn(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        let node = &mut self.nodes[position(index)];
        node.start(&self.network, Daemon::Volumed)?;
        node.start(&self.network, Daemon::S3d)
    }

    /// Waits until both daemons of a node serve.
    ///
    /// # Errors
    /// When they do not come to.
    pub fn until_serving(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        let network = &self.network;
        self.nodes[position(index)].until("daemons that serve", |node| node.serves(network))
    }

    /// Whether both daemons of a node answer that they are ready.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn serves(&self, index: NodeIndex) -> anyhow::Result<bool> {
        self.node(index).serves(&self.network)
    }

    /// Kills both daemons of a node, as the loss of its power would.
    pub fn kill(&mut self, index: NodeIndex) {
        let node = self.node_mut(index);
        node.kill(Daemon::Volumed);
        node.kill(Daemon::S3d);
    }

    /// Stops both daemons of a node orderly.
    ///
    /// # Errors
    /// When one does not end well.
    pub fn stop(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        let node = self.node_mut(index);
        node.stop(Daemon::S3d)?;
        node.stop(Daemon::Volumed)
    }

    /// Stops the daemons of all nodes orderly: those that need others to end well before these.
    ///
    /// # Errors
    /// When one does not end well.
    pub fn stop_all(&mut self) -> anyhow::Result<()> {
        for daemon in [Daemon::S3d, Daemon::Volumed] {
            for node in &self.nodes {
                node.ask_to_end(daemon);
            }
            let mut nodes = self.nodes.iter_mut();
            nodes.try_for_each(|node| node.until_ended(daemon))?;
        }
        Ok(())
    }

    /// Stops every process of a node where it is, its etcd too.
    pub fn pause(&self, index: NodeIndex) {
        self.node(index).signal_all(Signal::SIGSTOP);
    }

    /// Cuts a node off, in addition to what it is cut off from already.
    ///
    /// # Errors
    /// When nodes cannot be cut off here.
    pub fn cut(&mut self, index: NodeIndex, cut: Cut) -> anyhow::Result<()> {
        let cuts = &mut self.cuts[position(index)];
        cuts.push(cut);
        self.network.cut(index, cuts)
    }

    /// Ends every cut of a node, and lets it go on if it was paused.
    ///
    /// # Errors
    /// When the cuts cannot be ended.
    pub fn heal(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        self.node(index).signal_all(Signal::SIGCONT);
        let cuts = &mut self.cuts[position(index)];
        if cuts.is_empty() {
            return Ok(());
        }
        cuts.clear();
        self.network.cut(index, cuts)
    }

    /// What a node is cut off from.
    pub fn cuts(&self, index: NodeIndex) -> &[Cut] {
        &self.cuts[position(index)]
    }

    /// Removes all that a node keeps, as if its disks were new ones.
    ///
    /// # Errors
    /// When it runs, or its folder cannot be removed.
    pub fn wipe(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        let node = self.node_mut(index);
        let runs = node.runs(Daemon::Volumed) || node.runs(Daemon::S3d);
        ensure!(!runs, "{} runs: kill it before it is wiped", node.name());
        fs::remove_dir_all(node.folder())?;
        node.lay_out()
    }

    /// Asks a node's volumed, and answers what it said with `--json`.
    ///
    /// # Errors
    /// When it refuses, or does not run.
    pub fn ask(&self, index: NodeIndex, words: &[&str]) -> anyhow::Result<Value> {
        self.node(index).ask(&self.network, words)
    }
}

fn nodes(
    name: RackName,
    folder: &Path,
    binaries: &Binaries,
    network: &Network,
    count: u8,
    listening: Option<&str>,
) -> anyhow::Result<Vec<Node>> {
    let node = |number| {
        let index = NodeIndex(number);
        let folder = folder.join(format!("node-{number}"));
        let address = network.address(index);
        let binaries = binaries.clone();
        Node::make(name, index, address, folder, binaries, listening)
    };
    (1..=count).map(node).collect()
}

/// A cluster knows its nodes by their addresses: they are those of the last time.
fn make_network(name: RackName, folder: &Path, count: u8) -> anyhow::Result<Network> {
    let kept = folder.join("subnet");
    let wanted = fs::read_to_string(&kept).ok();
    let wanted = wanted.map(|text| text.trim().parse()).transpose();
    let wanted = wanted.with_context(|| format!("{} holds no number", kept.display()))?;
    let network = Network::make(name, count, wanted)?;
    fs::create_dir_all(folder)?;
    if let Some(subnet) = network.subnet() {
        fs::write(&kept, format!("{subnet}\n"))?;
    }
    Ok(network)
}

fn position(index: NodeIndex) -> usize {
    usize::from(index.0) - 1
}
