//! Two of three nodes that keep the metadata store are lost: the third goes on with what it has.
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

async fn attach(node: &Node, volume: &str) -> NbdDevice {
    let attached = node.admin().attach(volume, "tester").await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_member_of_etcd_goes_on_and_others_come_back_to_it() {
    let (mut first, mut second, mut third) = (Node::new(41), Node::new(42), Node::new(43));
    succeed(&mut first.init());
    first.start().await;
    for node in [&mut second, &mut third] {
        succeed(&mut node.join(&first.token()));
        node.start().await;
    }
    third.until_members(3).await;
    let wanted = CreateVolume {
        name: "v".to_owned(),
        size: 1 << 30,
        replicas: 3,
        auto_grow: None,
        quota: None,
    };
    first.admin().create_volume(&wanted).await.unwrap();
    let data = [pattern(1, LENGTH).into()];
    let volume = attach(&second, "v").await;
    volume.write(0, &data, Durability::Durable).await.unwrap();
    drop(volume);
    // A head that is still there when the first node stops does without its disk: that would be stale.
    second.admin().detach("v", "tester").await.unwrap();
    // What comes after lets every member know that a majority has what came before.
    first.end(Signal::SIGTERM);
    for node in [&mut second, &mut third] {
        node.end(Signal::SIGKILL);
    }
    let recover = ["cluster", "recover"];
    refused(&first.command(&recover).output().unwrap(), "add --yes");
    let recover = ["cluster", "recover", "--yes"];
    // While another one is there, nothing is lost.
    second.spawn();
    until("the other waits for a majority", async || {
        second.log().contains("waiting")
    })
    .await;
    let output = first.command(&recover).output().unwrap();
    refused(&output, "etcd runs on node-42");
    second.end(Signal::SIGKILL);
    for node in [&second, &third] {
        fs::remove_dir_all(node.data().join("etcd")).unwrap();
    }
    let output = second.command(&recover).output().unwrap();
    refused(&output, "type this on one that did");
    let said = succeed(&mut first.command(&recover));
    assert!(said.contains("node-42, node-43"), "{said}");

    first.start().await;
    // The store still has what the lost nodes said of themselves, for as long as a lease.
    until("it goes on without the lost nodes", async || {
        first.admin().attach("v", "tester").await.is_ok()
    })
    .await;
    let volume = attach(&first, "v").await;
    assert!(volume.read(0, LENGTH).await.unwrap() == pattern(1, LENGTH));
    volume
        .write(1 << 20, &data, Durability::Durable)
        .await
        .unwrap();
    second.start().await;
    third.start().await;
    first.until_members(3).await;
    until("the others have what they missed", async || {
        let shown = first.admin().show_volume("v").await.unwrap();
        shown.stale.is_empty()
    })
    .await;
    succeed(&mut third.ask(&["volume", "verify", "v", "--deep"]));
    drop(volume);
    let volume = attach(&third, "v").await;
    assert!(volume.read(1 << 20, LENGTH).await.unwrap() == pattern(1, LENGTH));
}
