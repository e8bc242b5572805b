//! Volumes of several nodes, which share a store and have links.

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpListener;
use volumed_cluster::{Node, NodeId, NodeNumber, Place, Ports};
use volumed_peer::{ClusterId, Identity, Listener, Security, Settings};

use super::disks::{settings, store};
use super::*;
use crate::OwnNode;

const GIB: u64 = 1 << 30;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A node that runs.
pub(super) struct Running {
    pub volumes: Volumes,
    listener: Listener,
    node: Node,
}

fn identity(number: u16) -> Identity {
    Identity {
        cluster: ClusterId(7),
        node: volumed_peer::NodeId(number.into()),
    }
}

fn own(number: u16) -> OwnNode {
    OwnNode {
        number: NodeNumber(number),
        name: format!("node-{number}").parse().unwrap(),
        identity: identity(number),
        security: Security::Loopback,
        links: Settings::default(),
    }
}

pub(super) async fn start_node(folder: &TempDir, number: u16, port: u16) -> Running {
    start_node_on(store(folder), folder, number, port).await
}

pub(super) async fn start_node_on(
    store: Arc<dyn MetaStore>,
    folder: &TempDir,
    number: u16,
    port: u16,
) -> Running {
    let own = own(number);
    let disks = vec![settings(folder, &format!("disk-{number}"), GIB)];
    let volumes = Volumes::start(store, disks, OPEN_EXTENTS, Some(own.clone()))
        .await
        .unwrap();
    let socket = TcpListener::bind((LOCALHOST, port)).await.unwrap();
    let ports = Ports {
        links: socket.local_addr().unwrap().port(),
        ..Ports::default()
    };
    let host = Arc::new(volumes.hosting());
    let settings = Settings::default();
    let listener = Listener::start(socket, identity(number), Security::Loopback, settings, host);
    let node = Node {
        version: 1,
        id: NodeId(number.into()),
        number: own.number,
        name: own.name,
        place: Place::new(vec![LOCALHOST], ports).unwrap(),
        joined: 0,
        signs: false,
        certificates: Vec::new(),
        drain: None,
    };
    Running {
        volumes,
        listener,
        node,
    }
}

/// Nodes that know each other.
pub(super) async fn start_nodes(folder: &TempDir, count: u16) -> Vec<Running> {
    let mut nodes = Vec::new();
    for number in 1..=count {
        nodes.push(start_node(folder, number, 0).await);
    }
    introduce(&nodes);
    for node in &nodes {
        until(|| {
            node.volumes
                .nodes()
                .iter()
                .all(|it| it.up && it.unreachable.is_none())
        })
        .await;
    }
    nodes
}

pub(super) fn introduce(nodes: &[Running]) {
    let all: Vec<_> = nodes.iter().map(|it| it.node.clone()).collect();
    for node in nodes {
        node.volumes.know_nodes(all.clone());
    }
}

pub(super) async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Running {
    pub(super) async fn create(&self, replicas: u8) {
        self.volumes
            .create(&name("v"), EIB, replicas, None, None)
            .await
            .unwrap();
    }

    pub(super) async fn attach(&self, who: &str) -> Arc<Export> {
        let attached = self.volumes.attach(&name("v"), owner(who)).await.unwrap();
        let export = format!("v@{}", attached.epoch);
        open(&self.volumes, &export).await.unwrap()
    }

    /// Where others reach it.
    pub(super) fn port(&self) -> u16 {
        self.node.place.ports.links
    }

    pub(super) async fn stale(&self) -> usize {
        self.volumes.show(&name("v")).await.unwrap().stale.len()
    }

    /// As if it was killed: nothing is flushed, no lease given up.
    pub(super) async fn die(self) {
        self.listener.stop().await;
        kill(self.volumes).await;
    }

    pub(super) async fn stop(self) {
        self.listener.stop().await;
        self.volumes.stop().await;
    }
}

/// The data that a node's disk has of the first extent.
fn data_on(folder: &TempDir, number: u16) -> Vec<u8> {
    let path = folder
        .path()
        .join(format!("disk-{number}/volumes/v00000001"));
    let files = std::fs::read_dir(path).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let data = files.find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("0.") && name.ends_with(".data")
    });
    let mut data = std::fs::read(data.unwrap()).unwrap();
    data.truncate(16 << 20);
    data
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_has_its_replicas_on_different_nodes() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 3).await;
    nodes[0].create(3).await;
    let export = nodes[0].attach("one").await;
    write(&export, 5000, &[7; 9000], true).await.unwrap();
    write(&export, 70 * MIB, &[8; 4096], false).await.unwrap();
    ask(&export, Request::Flush).await.unwrap();
    assert_eq!(read(&export, 5000, 9000).await.unwrap(), vec![7; 9000]);
    for number in 1..=3 {
        assert_eq!(data_on(&folder, number)[5000..14_000], [7; 9000]);
    }
    let view = nodes[0].volumes.show(&name("v")).await.unwrap();
    assert_eq!(view.node, Some(NodeNumber(1)));
    assert_eq!(view.used, ByteCount(4 * 4096));
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_a_volume_over_from_one_that_serves_it() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 2).await;
    nodes[0].create(2).await;
    let first = nodes[0].attach("one").await;
    write(&first, 0, &[1; 4096], false).await.unwrap();
    let v = name("v");
    let polite = nodes[1].volumes.attach_unless_served(&v, owner("two"));
    let refused = polite.await;
    assert!(
        matches!(refused, Err(AttachError::ServedElsewhere(_, NodeNumber(1)))),
        "{refused:?}"
    );
    // V2: the connection lets go once it is told.
    let holder = tokio::spawn(async move {
        first.revoked().await;
        first
    });
    let second = nodes[1].attach("two").await;
    let first = holder.await.unwrap();
    assert_eq!(read(&second, 0, 4096).await.unwrap(), vec![1; 4096]);
    write(&second, 0, &[2; 4096], false).await.unwrap();
    assert_eq!(read(&first, 0, 4096).await, Err(IoError::Gone));
    let again = nodes[0]
        .volumes
        .attach_again(&name("v"), owner("one"))
        .await;
    assert!(matches!(again, Err(AttachError::NotOwner(..))), "{again:?}");
    drop((first, second));
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_loses_nothing_and_catches_up() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(3).await;
    let export = nodes[0].attach("one").await;
    write(&export, 0, &[1; 12_288], true).await.unwrap();
    drop(export);
    let port = nodes[0].node.place.ports.links;
    nodes.remove(0).die().await;
    let export = nodes[0].attach("two").await;
    assert_eq!(read(&export, 0, 12_288).await.unwrap(), vec![1; 12_288]);
    write(&export, 4096, &[2; 4096], true).await.unwrap();
    // Placed while a node is away.
    write(&export, 100 * MIB, &[3; 4096], true).await.unwrap();
    assert_eq!(nodes[0].stale().await, 1);
    let (degraded, more) = nodes[0].volumes.page("", 9, true);
    assert_eq!((degraded.len(), more), (1, false));
    nodes.insert(0, start_node(&folder, 1, port).await);
    introduce(&nodes);
    while nodes[1].stale().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(data_on(&folder, 1)[4096..8192], [2; 4096]);
    drop(export);
    // What was placed meanwhile is there, too: the other two go.
    nodes.remove(2).die().await;
    let export = nodes[0].attach("three").await;
    let read = read(&export, 100 * MIB, 4096).await.unwrap();
    assert_eq!(read, vec![3; 4096]);
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_are_the_same_on_every_node() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 2).await;
    nodes[0].create(2).await;
    let seen = nodes[1].volumes.show(&name("v")).await.unwrap();
    assert_eq!((seen.size, seen.replicas), (EIB, 2));
    let export = nodes[0].attach("one").await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let attached = nodes[1].volumes.delete(&name("v")).await;
    assert!(matches!(attached, Err(DeleteVolumeError::Attached(_))));
    drop(export);
    nodes[0]
        .volumes
        .detach(&name("v"), &owner("one"))
        .await
        .unwrap();
    nodes[1].volumes.delete(&name("v")).await.unwrap();
    let gone = || async { nodes[0].volumes.list().await.unwrap().is_empty() };
    while !gone().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let folders = [1, 2].map(|number| {
        folder
            .path()
            .join(format!("disk-{number}/volumes/v00000001"))
    });
    until(|| folders.iter().all(|folder| !folder.exists())).await;
    for node in nodes {
        node.stop().await;
    }
}

/// V10: what is damaged on another node is found there, and made good by the head here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_on_another_node_is_made_good() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 2).await;
    nodes[0].create(2).await;
    let export = nodes[0].attach("one").await;
    write(&export, 0, &[9; 8192], true).await.unwrap();
    drop(export);
    // Nothing is dirty any more, and the sums are in their file.
    nodes[0]
        .volumes
        .detach(&name("v"), &owner("one"))
        .await
        .unwrap();
    let path = folder.path().join("disk-2/volumes/v00000001");
    let files = std::fs::read_dir(path).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let data = files.find(|path| path.extension().is_some_and(|it| it == "data"));
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(data.unwrap())
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[1], 5000).unwrap();
    let export = nodes[0].attach("one").await;
    let settings = crate::ScrubSettings {
        every: None,
        rate: ByteCount(1 << 30),
    };
    nodes[1].volumes.scrub_in_background(settings).await;
    nodes[1].volumes.start_scrub().await;
    while data_on(&folder, 2)[4096..8192] != [9; 4096] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}
