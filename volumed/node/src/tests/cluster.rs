//! Volumes of several nodes, which share a store and have links.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use volumed_cluster::{Node, NodeId, NodeNumber, Place, Ports};
use volumed_core::placement::{Placement, Role};
use volumed_peer::{ClusterId, Identity, Listener, Security, Settings};

use super::cut_off::CutOff;
use super::disks::{settings, store};
use super::*;
use crate::OwnNode;

const GIB: u64 = 1 << 30;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A node that runs.
struct Running {
    volumes: Volumes,
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

async fn start_node(folder: &TempDir, number: u16, port: u16) -> Running {
    start_node_on(store(folder), folder, number, port).await
}

async fn start_node_on(
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
    };
    Running {
        volumes,
        listener,
        node,
    }
}

/// Nodes that know each other.
async fn start_nodes(folder: &TempDir, count: u16) -> Vec<Running> {
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

fn introduce(nodes: &[Running]) {
    let all: Vec<_> = nodes.iter().map(|it| it.node.clone()).collect();
    for node in nodes {
        node.volumes.know_nodes(all.clone());
    }
}

async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Running {
    async fn create(&self, replicas: u8) {
        self.volumes
            .create(&name("v"), EIB, replicas, None, None)
            .await
            .unwrap();
    }

    async fn attach(&self, who: &str) -> Arc<Export> {
        let attached = self.volumes.attach(&name("v"), owner(who)).await.unwrap();
        let export = format!("v@{}", attached.epoch);
        open(&self.volumes, &export).await.unwrap()
    }

    async fn stale(&self) -> usize {
        self.volumes.show(&name("v")).await.unwrap().stale.len()
    }

    /// As if it was killed: nothing is flushed, no lease given up.
    async fn die(self) {
        self.listener.stop().await;
        kill(self.volumes).await;
    }

    async fn stop(self) {
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

/// V1: a head that its node's lease has left behind answers nothing, not even what it could read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_reach_the_store_stops_before_another_begins() {
    let folder = TempDir::new().unwrap();
    let cut = Arc::new(AtomicBool::new(false));
    let cut_off = CutOff {
        store: store(&folder),
        cut: Arc::clone(&cut),
    };
    let mut nodes = vec![start_node_on(Arc::new(cut_off), &folder, 1, 0).await];
    nodes.push(start_node(&folder, 2, 0).await);
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
    nodes[0].create(2).await;
    let first = nodes[0].attach("one").await;
    write(&first, 0, &[1; 4096], false).await.unwrap();
    cut.store(true, Ordering::Release);
    assert_eq!(read(&first, 0, 4096).await.unwrap(), vec![1; 4096]);
    let second = nodes[1].attach("two").await;
    assert_eq!(read(&first, 0, 4096).await, Err(IoError::Gone));
    first.revoked().await;
    drop(first);
    assert_eq!(read(&second, 0, 4096).await.unwrap(), vec![1; 4096]);
    write(&second, 0, &[2; 4096], true).await.unwrap();
    let refused = nodes[0].volumes.attach(&name("v"), owner("three")).await;
    assert!(refused.is_err(), "{refused:?}");
    cut.store(false, Ordering::Release);
    until(|| nodes[1].volumes.nodes().iter().all(|it| it.up)).await;
    let third = loop {
        match nodes[0].volumes.attach(&name("v"), owner("three")).await {
            Ok(attached) => break attached,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    drop(second);
    let export = open(&nodes[0].volumes, &format!("v@{}", third.epoch))
        .await
        .unwrap();
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![2; 4096]);
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}

/// Writes patterns of 64 KiB all over some extents until it is told to stop; answers what each place holds.
async fn keep_writing(export: Arc<Export>, stop: Arc<AtomicBool>) -> Vec<u8> {
    let mut held = vec![0; PLACES as usize];
    let mut next = 1_u8;
    while !stop.load(Ordering::Acquire) {
        for place in (0..PLACES).step_by(3) {
            let at = (place + u64::from(next)) % PLACES;
            write(&export, at * PLACE, &vec![next; 65_536], false)
                .await
                .unwrap();
            held[at as usize] = next;
        }
        next = next % 250 + 1;
    }
    ask(&export, Request::Flush).await.unwrap();
    held
}

const PLACES: u64 = 64;
const PLACE: u64 = 4 * MIB;

async fn holds(export: &Arc<Export>, held: &[u8]) {
    for (place, &byte) in held.iter().enumerate() {
        let found = read(export, place as u64 * PLACE, 65_536).await.unwrap();
        assert_eq!(found, vec![byte; 65_536], "place {place}");
    }
}

fn extents_on(folder: &TempDir, number: u16) -> usize {
    let path = folder
        .path()
        .join(format!("disk-{number}/volumes/v00000001"));
    let files = std::fs::read_dir(path).map(|files| files.filter_map(Result::ok).collect());
    let files: Vec<_> = files.unwrap_or_default();
    let is_data = |it: &&std::fs::DirEntry| it.file_name().to_string_lossy().ends_with(".data");
    files.iter().filter(is_data).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_gets_more_replicas_while_it_is_written() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(1).await;
    let export = nodes[0].attach("one").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(keep_writing(Arc::clone(&export), Arc::clone(&stop)));
    while extents_on(&folder, 1) < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for node in &nodes {
        node.volumes
            .rebuild_in_background(ByteCount(1 << 30), Duration::from_hours(1));
    }
    let view = nodes[1].volumes.set_replicas(&name("v"), 3).await.unwrap();
    assert_eq!(view.replicas, 3);
    let complete = || (2..=3).all(|number| extents_on(&folder, number) == extents_on(&folder, 1));
    until(complete).await;
    // The last copies are adopted when nothing lacks a replica any more.
    let machine = Arc::clone(&nodes[0].volumes.find_here(&name("v")).unwrap().machine);
    let lacks = || {
        let few = |placed: &Placement| {
            let full = placed
                .replicas
                .iter()
                .filter(|(_, role)| *role == Role::Full);
            (full.count() < 3).then_some(())
        };
        !machine.needed_replicas(few, 1).is_empty()
    };
    until(|| !lacks()).await;
    stop.store(true, Ordering::Release);
    let held = writing.await.unwrap();
    holds(&export, &held).await;
    drop((export, machine));
    // Each of the new ones alone has everything.
    let second = nodes.remove(1);
    nodes.remove(0).die().await;
    second.die().await;
    let attached = nodes[0].attach("two").await;
    holds(&attached, &held).await;
    drop(attached);
    nodes.remove(0).stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_had_that_stays_away_is_copied_elsewhere() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(2).await;
    let export = nodes[0].attach("one").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(keep_writing(Arc::clone(&export), Arc::clone(&stop)));
    let all = || extents_on(&folder, 2) + extents_on(&folder, 3);
    while extents_on(&folder, 1) < 4 || all() < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let away = if extents_on(&folder, 2) > 0 { 2 } else { 3 };
    nodes.remove(away - 1).die().await;
    let stays = if away == 2 { 3 } else { 2 };
    nodes[0]
        .volumes
        .rebuild_in_background(ByteCount(1 << 30), Duration::ZERO);
    until(|| extents_on(&folder, stays) == extents_on(&folder, 1)).await;
    stop.store(true, Ordering::Release);
    let held = writing.await.unwrap();
    let machine = Arc::clone(&nodes[0].volumes.find_here(&name("v")).unwrap().machine);
    let there = nodes[1].volumes.shared.node.disks.all();
    let there = *there.keys().next().unwrap();
    until(|| {
        let elsewhere = |placed: &Placement| (!placed.is_on(there)).then_some(());
        machine.needed_replicas(elsewhere, 1).is_empty()
    })
    .await;
    drop((export, machine));
    nodes.remove(0).die().await;
    let attached = nodes[0].attach("two").await;
    holds(&attached, &held).await;
    drop(attached);
    nodes.remove(0).stop().await;
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
