//! A node is emptied while clients write, and leaves without anything being lost.
#![allow(clippy::unwrap_used)]

mod daemon;
mod rack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use volumed_client::admin::{CreateVolume, DrainState, NodeInfo};
use volumed_client::{BlockDevice, Durability, NbdDevice};

use daemon::{pattern, succeed};
use rack::{Node, refused, until};

const MIB: u64 = 1 << 20;
const LENGTH: usize = 100_000;

async fn create(node: &Node, name: &str, replicas: u8) {
    let wanted = CreateVolume {
        name: name.to_owned(),
        size: 1 << 30,
        replicas,
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
    let read = device.read(at, LENGTH).await.unwrap();
    assert!(read == pattern(seed, LENGTH), "{at}");
}

/// Writes from the beginning to the end and again until it is to stop; answers how often it wrote, and the device.
async fn keep_writing(device: NbdDevice, stop: Arc<AtomicBool>) -> (u64, NbdDevice) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        write(&device, round % PLACES * MIB, round).await;
        round += 1;
    }
    (round, device)
}

const PLACES: u64 = 300;

async fn named(node: &Node, name: &str) -> NodeInfo {
    let nodes = node.admin().nodes().await.unwrap();
    nodes.into_iter().find(|it| it.name == name).unwrap()
}

/// Where something is written of the volume that has a replica on each node.
const SPOTS: [u64; 3] = [0, 70 * MIB, 140 * MIB];

async fn until_replicas(node: &Node, replicas: u8) {
    until(
        "the volume has as many replicas as there are nodes",
        async || {
            let volume = node.admin().show_volume("auto").await.unwrap();
            volume.replicas == replicas
        },
    )
    .await;
}

/// Three nodes, the third of which alone holds `w`, and with others `v`; `auto` has a replica on each.
async fn rack() -> [Node; 3] {
    let (mut first, mut second, mut third) = (Node::new(31), Node::new(32), Node::new(33));
    succeed(&mut first.init());
    first.start().await;
    succeed(&mut second.join(&first.token()));
    second.start().await;
    succeed(&mut third.join(&first.token()));
    third.start().await;
    third.until_members(3).await;
    until("all are up", async || {
        let nodes = third.admin().nodes().await.unwrap();
        nodes
            .iter()
            .filter(|node| node.up && node.unreachable.is_none())
            .count()
            == 3
    })
    .await;
    create(&third, "w", 1).await;
    let device = attach(&third, "w").await;
    write(&device, 5 * MIB, 1).await;
    write(&device, 70 * MIB, 2).await;
    drop(device);
    third.admin().detach("w", "tester").await.unwrap();
    create(&third, "auto", 0).await;
    until_replicas(&third, 3).await;
    let device = attach(&third, "auto").await;
    for at in SPOTS {
        write(&device, at, at).await;
    }
    drop(device);
    third.admin().detach("auto", "tester").await.unwrap();
    create(&third, "v", 2).await;
    let device = attach(&third, "v").await;
    for at in 0..PLACES {
        write(&device, at * MIB, at).await;
    }
    drop(device);
    third.admin().detach("v", "tester").await.unwrap();
    [first, second, third]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_emptied_while_a_client_writes_and_leaves_without_loss() {
    let [mut first, mut second, mut third] = rack().await;
    let remove = ["node", "remove", "node-33"];
    refused(
        &first.ask(&remove).output().unwrap(),
        "volumed node drain node-33",
    );
    third.end(Signal::SIGKILL);
    until("it is seen to be down", async || {
        !named(&first, "node-33").await.up
    })
    .await;
    refused(
        &first.ask(&remove).output().unwrap(),
        "only node node-33 holds",
    );

    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(keep_writing(attach(&first, "v").await, stop.clone()));
    let auto = attach(&first, "auto").await;
    // What was ordered while it was down, it does when it is up.
    succeed(&mut second.ask(&["node", "drain", "node-33"]));
    third.start().await;
    until("its disk is drained", async || {
        let disks = third.admin().disks().await.unwrap();
        disks.iter().all(|disk| disk.drain.is_some())
    })
    .await;
    until_replicas(&first, 2).await;
    succeed(&mut second.ask(&["node", "drain", "node-33", "--cancel"]));
    until_replicas(&first, 3).await;
    until("its disk is used", async || {
        let disks = third.admin().disks().await.unwrap();
        disks.iter().all(|disk| disk.drain.is_none())
    })
    .await;
    assert!(named(&first, "node-33").await.drain.is_none());

    succeed(&mut second.ask(&["node", "drain", "node-33", "--wait"]));
    until_replicas(&first, 2).await;
    // The second node knew it first: what it sees of the others is up to two seconds old.
    until("the first node sees it drained", async || {
        let node = named(&first, "node-33").await;
        let drained = node.drain.is_some_and(|it| it.state == DrainState::Drained);
        drained && (node.used, node.served) == (0, 0)
    })
    .await;
    assert!(succeed(&mut first.ask(&["node", "list"])).contains("drained"));
    succeed(&mut first.ask(&remove));
    third.end(Signal::SIGTERM);

    stop.store(true, Ordering::Relaxed);
    let (round, device) = writer.await.unwrap();
    for at in 0..PLACES {
        // The last that was written there, if any was.
        let last = (0..round).rev().find(|it| it % PLACES == at);
        check(&device, at * MIB, last.unwrap_or(at)).await;
    }
    drop(auto);
    let device = attach(&second, "auto").await;
    for at in SPOTS {
        check(&device, at, at).await;
    }
    let device = attach(&second, "w").await;
    check(&device, 5 * MIB, 1).await;
    check(&device, 70 * MIB, 2).await;
    succeed(&mut second.ask(&["volume", "verify", "--all"]));
    for node in [&mut first, &mut second] {
        node.end(Signal::SIGTERM);
    }
}
