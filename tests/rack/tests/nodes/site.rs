//! The rack that all tests share.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hayrack_rack::account::Account;
use hayrack_rack::binaries::Binaries;
use hayrack_rack::network::NodeIndex;
use hayrack_rack::rack::Rack;
use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::objects::Bucket;

const NODES: u8 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A rack whose nodes are one cluster, with a user.
pub struct Site {
    /// The rack.
    pub rack: Rack,
    client: Client,
    account: Account,
}

/// The rack, for one test at a time, with all nodes well.
pub fn site() -> MutexGuard<'static, Site> {
    static SITE: OnceLock<Mutex<Site>> = OnceLock::new();
    let site = SITE.get_or_init(|| Mutex::new(Site::found().expect("a rack can be founded")));
    // A test that failed leaves nodes that are made well as after any other.
    let mut site = site.lock().unwrap_or_else(PoisonError::into_inner);
    site.make_well();
    site
}

impl Site {
    fn found() -> anyhow::Result<Self> {
        let binaries = Binaries::beside(Path::new(env!("CARGO_BIN_EXE_hayrack-rack")));
        let mut rack = Rack::make_for_once(&binaries, NODES)?;
        rack.found()?;
        let account = Account::create(rack.node(NodeIndex(1)).api())?;
        let nodes = rack.indices().map(|index| rack.node(index).s3()).collect();
        Ok(Self {
            client: Client::new(nodes, &account.access_key, &account.secret_key),
            rack,
            account,
        })
    }

    /// A client of all nodes.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Whether nodes can be cut off here, which CI has to check.
    pub fn can_cut(&self) -> bool {
        let can = self.rack.can_cut();
        assert!(can || std::env::var_os("CI").is_none(), "CI needs root");
        if !can {
            println!("left out, since it needs root: cutting nodes off");
        }
        can
    }

    /// Makes a bucket, by the REST API of a node.
    pub fn bucket(&self, name: &str) -> Bucket {
        let api = self.rack.node(NodeIndex(1)).api();
        let volume = self.account.create_bucket(api, name);
        Bucket::new(name, &volume.expect("a bucket can be made"))
    }

    /// The node that serves a bucket's volume, as any of the others says.
    pub fn owner(&self, bucket: &Bucket) -> NodeIndex {
        let mut owner = None;
        until("a node that serves the bucket", || {
            let number = &self.volume(bucket)?["node"];
            let mut indices = self.rack.indices();
            owner = indices.find(|index| self.number(*index).ok().as_ref() == Some(number));
            Ok(owner.is_some())
        });
        owner.expect("it was waited for")
    }

    /// What the cluster calls a node: one that was removed and came back has another number.
    fn number(&self, index: NodeIndex) -> anyhow::Result<Value> {
        let nodes = self.rack.ask(index, &["node", "list"])?;
        let mut nodes = nodes.as_array().into_iter().flatten();
        let own = nodes.find(|node| node["here"] == true);
        Ok(own.context("it lists itself")?["number"].clone())
    }

    /// What volumed says of a bucket's volume: that of the node that serves it, else of any.
    fn volume(&self, bucket: &Bucket) -> anyhow::Result<Value> {
        let words = ["volume", "show", &bucket.volume];
        let of_nodes = self
            .rack
            .indices()
            .map(|index| (index, self.rack.ask(index, &words)));
        let mut said: Vec<_> = of_nodes
            .filter_map(|(index, said)| Some((index, said.ok()?)))
            .collect();
        let serving = said
            .iter()
            .position(|(index, said)| self.number(*index).ok().as_ref() == Some(&said["node"]));
        ensure!(!said.is_empty(), "no volumed answers");
        Ok(said.swap_remove(serving.unwrap_or(0)).1)
    }

    /// Heals and starts every node, and waits until they serve.
    pub fn make_well(&mut self) {
        for index in self.rack.indices() {
            self.rack.heal(index).expect("a node can be healed");
        }
        self.rack.start_all().expect("every node comes to serve");
        let whole = self.rack.until_store_is_whole();
        whole.expect("another node may be lost");
    }

    /// Waits until a bucket's volume has all its replicas, and each holds what was acknowledged.
    pub fn until_in_sync(&self, bucket: &Bucket) {
        let client = self.client();
        until("no replica that is stale or lacks", || {
            // So that some node serves it.
            client.get(&bucket.path("absent"))?;
            let volume = self.volume(bucket)?;
            let stale = volume["stale"].as_array().context("`stale` is a list")?;
            ensure!(volume["node"].is_number(), "nobody serves it");
            ensure!(stale.is_empty(), "{stale:?}");
            ensure!(volume["lacking"] == 0, "{volume}");
            Ok(true)
        });
    }

    /// Has every replica of a bucket's volume compared with the others, byte by byte.
    ///
    /// # Panics
    /// When some differ, or there are too few.
    pub fn verify(&self, bucket: &Bucket) {
        self.until_in_sync(bucket);
        let words = ["volume", "verify", &bucket.volume, "--deep"];
        let found = self.rack.ask(NodeIndex(1), &words);
        let found = &found.expect("replicas are equal")[&bucket.volume];
        assert_ne!(found["compared"], 0, "{found}");
        assert_eq!(found["alone"], 0, "{found}");
    }

    /// All nodes but one.
    pub fn others(&self, index: NodeIndex) -> Vec<NodeIndex> {
        self.rack
            .indices()
            .filter(|other| *other != index)
            .collect()
    }
}

/// Waits until something is so.
///
/// # Panics
/// When it does not come: with what was wrong last.
pub fn until(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let wrong = match holds() {
            Ok(true) => return,
            Ok(false) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        assert!(Instant::now() < deadline, "not yet: {what} {wrong}");
        thread::sleep(LOOK_AGAIN);
    }
}
