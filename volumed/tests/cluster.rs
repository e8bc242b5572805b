//! Nodes that become a cluster, with the real daemon and a real etcd.
#![allow(clippy::unwrap_used)]

mod daemon;
mod rack;

use std::time::Duration;

use daemon::{pattern, succeed};
use nix::sys::signal::Signal;
use rack::{Node, refused, until};
use volumed_client::admin::CreateVolume;
use volumed_client::{BlockDevice, Durability, NbdDevice};

/// How many nodes are up, as one of them sees it.
async fn ups(node: &Node) -> usize {
    let nodes = node.admin().nodes().await.unwrap();
    nodes.iter().filter(|node| node.up).count()
}

const LENGTH: usize = 100_000;

async fn device(node: &Node, volume: &str) -> NbdDevice {
    let attached = node.admin().attach(volume, "tester").await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

async fn create(node: &Node, volume: &str, replicas: u8) {
    let wanted = CreateVolume {
        name: volume.to_owned(),
        size: 1 << 30,
        replicas,
        auto_grow: None,
        quota: None,
    };
    node.admin().create_volume(&wanted).await.unwrap();
}

async fn write(node: &Node, volume: &str, seed: u64) {
    let data = [pattern(seed, LENGTH).into()];
    let device = device(node, volume).await;
    device.write(0, &data, Durability::Durable).await.unwrap();
}

async fn check(node: &Node, volume: &str, seed: u64) {
    let read = device(node, volume).await.read(0, LENGTH).await.unwrap();
    assert_eq!(read, pattern(seed, LENGTH), "{volume}");
}

/// A node that served alone, with a volume in which something is.
async fn with_volume(number: u8) -> Node {
    let mut node = Node::new(number);
    node.start().await;
    create(&node, "v", 1).await;
    write(&node, "v", 1).await;
    assert_eq!(node.end(Signal::SIGTERM), Some(0));
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_data_becomes_a_cluster_of_three_that_survives_kills() {
    let mut first = with_volume(1).await;
    succeed(&mut first.init());
    assert!(!first.data().join("meta.db").exists());
    first.start().await;
    check(&first, "v", 1).await;

    let token = first.token();
    let (mut second, mut third) = (Node::new(2), Node::new(3));
    succeed(&mut second.join(&token));
    refused(
        &third.join(&token).output().unwrap(),
        "was used by another node",
    );
    succeed(&mut third.join(&first.token()));
    second.start().await;
    third.start().await;
    third.until_members(3).await;
    for node in [&first, &second, &third] {
        until("all are up", async || ups(node).await == 3).await;
        let names = |listed: &str| listed.matches("node-").count();
        assert_eq!(names(&succeed(&mut node.ask(&["node", "list"]))), 3);
        assert_eq!(node.admin().nodes().await.unwrap().len(), 3);
    }

    create(&first, "r", 3).await;
    write(&first, "r", 2).await;
    first.end(Signal::SIGKILL);
    until("one is seen to be down", async || ups(&second).await == 2).await;
    let doctor = second.ask(&["doctor"]).output().unwrap();
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        doctor.contains("The node node-1 (127.0.0.1) is down"),
        "{doctor}"
    );
    until("the store goes on with two of three", async || {
        let asked = second.ask(&["volume", "create", "w"]).output().unwrap();
        asked.status.success() || String::from_utf8_lossy(&asked.stderr).contains("already")
    })
    .await;
    check(&second, "r", 2).await;
    first.start().await;
    first.until_members(3).await;
    check(&first, "v", 1).await;

    let mut all = [first, second, third];
    for node in &mut all {
        node.end(Signal::SIGKILL);
    }
    for node in &mut all {
        node.spawn();
    }
    for node in &mut all {
        node.until_ready().await;
    }
    check(&all[0], "v", 1).await;
    check(&all[2], "r", 2).await;
    all[0].until_members(3).await;
    for node in &mut all {
        assert_eq!(node.end(Signal::SIGTERM), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_is_killed_is_made_good_by_the_next() {
    let mut node = with_volume(4).await;
    // Before, while and after etcd starts and the store moves.
    for pause in [50, 400, 800, 1200, 1600, 2400] {
        let mut init = node.init().spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        init.kill().unwrap();
        init.wait().unwrap();
        if !node.data().join("cluster/node.json").exists() {
            node.start().await;
            check(&node, "v", 1).await;
            node.end(Signal::SIGTERM);
        }
    }
    succeed(&mut node.init());
    succeed(&mut node.init());
    assert!(!node.data().join("meta.db").exists());
    node.start().await;
    check(&node, "v", 1).await;
    create(&node, "w", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_a_sentence() {
    let mut first = Node::new(5);
    first.start().await;
    refused(
        &first.ask(&["cluster", "token"]).output().unwrap(),
        "is in no cluster",
    );
    refused(&first.init().output().unwrap(), "while volumed is stopped");
    first.end(Signal::SIGTERM);
    let open = volumed_meta::open(&first.data().join("meta.db")).await;
    refused(&first.init().output().unwrap(), "stop s3d");
    drop(open);
    succeed(&mut first.init());
    let other = first
        .command(&["serve", "--store", "/elsewhere.db"])
        .output();
    refused(&other.unwrap(), "take `store`");
    let mut restore = first.command(&["meta", "restore", "copy.db"]);
    refused(&restore.output().unwrap(), "add --accept-loss");

    first.start().await;
    let listed = succeed(&mut first.ask(&["cluster", "show"]));
    assert!(listed.contains("node-5"), "{listed}");
    let own = with_volume(6).await;
    refused(
        &own.join(&first.token()).output().unwrap(),
        "has volumes of this node alone",
    );
    let refusal = own.join("HAYRACK").output().unwrap();
    assert_eq!(refusal.status.code(), Some(2));
    let mut remove = first.ask(&["node", "remove", "node-9"]);
    assert_eq!(remove.output().unwrap().status.code(), Some(3));
    let mut remove = first.ask(&["node", "remove", "node-5"]);
    assert_eq!(remove.output().unwrap().status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_served_alone_without_volumes_joins_and_is_removed() {
    let (mut first, mut second) = (Node::new(9), Node::new(10));
    succeed(&mut first.init());
    first.start().await;
    second.start().await;
    second.end(Signal::SIGTERM);
    succeed(&mut second.join(&first.token()));
    second.start().await;
    second.until_members(2).await;
    until("both are up", async || ups(&first).await == 2).await;

    let own = first.ask(&["node", "remove", "node-9"]).output().unwrap();
    refused(&own, "have another node remove it");
    succeed(&mut first.ask(&["node", "remove", "node-10"]));
    first.until_members(1).await;
    assert_eq!(first.admin().nodes().await.unwrap().len(), 1);
    let waiting = first.token();
    second.end(Signal::SIGKILL);
    std::fs::remove_dir_all(second.data().join("cluster")).unwrap();
    refused(
        &second.join(&waiting).output().unwrap(),
        "was removed a moment ago",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_majority_can_be_stopped_and_keeps_what_was_flushed() {
    let (mut first, mut second) = (Node::new(11), Node::new(12));
    succeed(&mut first.init());
    first.start().await;
    succeed(&mut second.join(&first.token()));
    second.start().await;
    second.until_members(2).await;
    until("both are up", async || ups(&second).await == 2).await;
    create(&second, "v", 2).await;
    write(&second, "v", 1).await;
    let device = device(&second, "v").await;
    first.end(Signal::SIGKILL);
    assert_eq!(second.end(Signal::SIGTERM), Some(0));
    drop(device);
    second.spawn();
    first.start().await;
    second.until_ready().await;
    check(&second, "v", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_waits_for_the_others_can_be_stopped() {
    let (mut first, mut second) = (Node::new(7), Node::new(8));
    succeed(&mut first.init());
    first.start().await;
    succeed(&mut second.join(&first.token()));
    first.end(Signal::SIGTERM);
    second.spawn();
    until("it says what it waits for", async || {
        second.log().contains("waiting")
    })
    .await;
    assert_eq!(second.end(Signal::SIGTERM), Some(0));
}
