//! Every node of a cluster has lost the metadata store: a copy becomes the store again.
#![allow(clippy::unwrap_used)]

mod daemon;
mod rack;

use std::fs;

use daemon::{pattern, succeed};
use nix::sys::signal::Signal;
use rack::{Node, refused, until};
use volumed_client::admin::CreateVolume;
use volumed_client::{BlockDevice, Durability, NbdDevice};

const LENGTH: usize = 300_000;

async fn create(node: &Node, name: &str) {
    let wanted = CreateVolume {
        name: name.to_owned(),
        size: 1 << 30,
        replicas: 2,
        auto_grow: None,
        quota: None,
    };
    node.admin().create_volume(&wanted).await.unwrap();
}

async fn attach(node: &Node, volume: &str) -> NbdDevice {
    let attached = node.admin().attach(volume, "tester").await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

async fn write(device: &NbdDevice, at: u64, seed: u64) {
    let data = [pattern(seed, LENGTH).into()];
    device.write(at, &data, Durability::Durable).await.unwrap();
}

async fn check(device: &NbdDevice, at: u64, seed: u64) {
    assert!(device.read(at, LENGTH).await.unwrap() == pattern(seed, LENGTH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_becomes_the_store_of_all_nodes_again() {
    let (mut first, mut second, mut third) = (Node::new(51), Node::new(52), Node::new(53));
    succeed(&mut first.init());
    first.start().await;
    succeed(&mut second.join(&first.token()));
    second.start().await;
    create_when_there_are(2, &second).await;
    let volume = attach(&second, "v").await;
    write(&volume, 0, 1).await;
    let copy = first.data().join("copy.db");
    succeed(&mut first.ask(&["meta", "backup", copy.to_str().unwrap()]));
    let token = first.token();
    // After the copy: a node comes, the volume is written where it is, and its epoch is raised.
    succeed(&mut third.join(&first.token()));
    third.start().await;
    third.until_members(3).await;
    write(&volume, 1 << 20, 2).await;
    drop(volume);
    let before = second.admin().attach("v", "tester").await.unwrap().epoch;
    for node in [&mut first, &mut second, &mut third] {
        node.end(Signal::SIGTERM);
        fs::remove_dir_all(node.data().join("etcd")).unwrap();
    }

    let words = ["meta", "restore", copy.to_str().unwrap()];
    refused(
        &first.command(&words).output().unwrap(),
        "add --accept-loss",
    );
    let words = [&words[..], &["--accept-loss"]].concat();
    let said = succeed(&mut first.command(&words));
    assert!(said.contains("start volumed here"), "{said}");
    first.start().await;
    second.start().await;
    third.start().await;
    first.until_members(3).await;
    until("the node that came after the copy is there", async || {
        let nodes = first.admin().nodes().await.unwrap();
        let up = nodes
            .iter()
            .filter(|node| node.up && node.unreachable.is_none());
        up.count() == 3
    })
    .await;
    let attached = third.admin().attach("v", "tester").await.unwrap();
    assert!(attached.epoch > before, "{} {before}", attached.epoch);
    let volume = NbdDevice::connect(&attached.nbd_socket, &attached.export);
    let volume = volume.await.unwrap();
    check(&volume, 0, 1).await;
    check(&volume, 1 << 20, 2).await;
    write(&volume, 500 << 20, 3).await;
    check(&volume, 500 << 20, 3).await;
    succeed(&mut first.ask(&["volume", "verify", "v", "--deep"]));
    // What was offered before the store was lost lets nobody in.
    let fourth = Node::new(54);
    refused(&fourth.join(&token).output().unwrap(), "no such token");
}

async fn create_when_there_are(nodes: usize, node: &Node) {
    until("the nodes are there", async || {
        let all = node.admin().nodes().await.unwrap();
        let up = all
            .iter()
            .filter(|node| node.up && node.unreachable.is_none());
        up.count() == nodes
    })
    .await;
    create(node, "v").await;
}
