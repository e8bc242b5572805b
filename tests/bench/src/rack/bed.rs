//! The rack that is measured.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hayrack_rack::account::Account;
use hayrack_rack::binaries::Binaries;
use hayrack_rack::network::NodeIndex;
use hayrack_rack::rack::Rack;
use serde_json::Value;

use crate::sign::Target;

const NODES: u8 = 3;
const REGION: &str = "us-east-1";
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Three nodes that are one cluster, with a user.
pub struct Bed {
    /// The nodes.
    pub rack: Rack,
    account: Account,
}

/// A bucket and its volume.
#[derive(Clone)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// The volume's name.
    pub volume: String,
}

impl Bed {
    /// Founds a rack whose nodes keep their data in a folder.
    pub fn found(folder: &Path) -> anyhow::Result<Self> {
        let binaries = Binaries::beside(&std::env::current_exe()?);
        let mut rack = Rack::make(folder, &binaries, NODES)?;
        rack.found()?;
        let account = Account::create(rack.node(NodeIndex(1)).api())?;
        Ok(Self { rack, account })
    }

    /// Has a node make a bucket.
    pub fn create_bucket(&self, node: NodeIndex, name: &str) -> anyhow::Result<Bucket> {
        let api = self.rack.node(node).api();
        let volume = self.account.create_bucket(api, name)?;
        let name = name.to_owned();
        Ok(Bucket { name, volume })
    }

    /// A bucket at a node.
    pub fn target(&self, node: NodeIndex, bucket: &str) -> anyhow::Result<Target> {
        let endpoint = format!("http://{}", self.rack.node(node).s3());
        let (id, secret) = (&self.account.access_key, &self.account.secret_key);
        Target::new(&endpoint, bucket, REGION, id.clone(), secret.clone())
    }

    /// A volume at the first node, as NBD clients name it.
    pub fn uri(&self, volume: &str) -> String {
        let socket = self.rack.node(NodeIndex(1)).volumed_data().join("nbd.sock");
        format!("nbd+unix:///{volume}?socket={}", socket.display())
    }

    /// What a node that runs says.
    pub fn ask(&self, words: &[&str]) -> anyhow::Result<Value> {
        let answers = self.rack.indices().map(|index| self.rack.ask(index, words));
        let mut answers: Vec<_> = answers.collect();
        let good = answers.iter().position(Result::is_ok);
        answers.swap_remove(good.unwrap_or(0))
    }

    /// The volumes with the nodes that serve them.
    pub fn served(&self) -> anyhow::Result<Vec<(String, NodeIndex)>> {
        let volumes = self.ask(&["volume", "list"])?;
        let volumes = volumes.as_array().context("a list of volumes")?;
        let served = volumes.iter().filter_map(|volume| {
            let node = u8::try_from(volume["node"].as_u64()?).ok()?;
            Some((volume["name"].as_str()?.to_owned(), NodeIndex(node)))
        });
        Ok(served.collect())
    }

    /// The node that serves a volume.
    pub fn owner(&self, volume: &str) -> anyhow::Result<NodeIndex> {
        let served = self.served()?;
        let owner = served.iter().find(|(name, _)| name == volume);
        Ok(owner.with_context(|| format!("nobody serves {volume}"))?.1)
    }

    /// Waits until every replica of a volume that is served holds what was acknowledged; how long that took.
    pub fn until_in_sync(&self, volume: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        until("no stale replica", || {
            let owner = self.owner(volume)?;
            let shown = self.rack.ask(owner, &["volume", "show", volume])?;
            let stale = shown["stale"].as_array().context("a list of replicas")?;
            ensure!(stale.is_empty(), "{stale:?}");
            Ok(())
        })?;
        Ok(begun.elapsed())
    }

    /// Bytes that a node's interfaces have received so far.
    pub fn received(&self, node: NodeIndex) -> anyhow::Result<u64> {
        let ids = self.rack.node(node).process_ids();
        let id = ids.first().context("the node does not run")?;
        let counters = std::fs::read_to_string(format!("/proc/{id}/net/dev"))?;
        let interfaces = counters.lines().filter_map(|line| line.split_once(':'));
        let others = interfaces.filter(|(name, _)| name.trim() != "lo");
        let received = others.filter_map(|(_, fields)| fields.split_whitespace().next());
        Ok(received.map(str::parse::<u64>).sum::<Result<_, _>>()?)
    }
}

/// Waits until something can be done.
pub fn until(what: &str, mut done: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = done() {
        if Instant::now() > deadline {
            bail!("{what} did not come: {error:#}");
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
