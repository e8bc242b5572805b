//! V1: of several nodes one serves a volume, as long as its lease stands.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use volumed_core::Epoch;
use volumed_core::message::ExtentFile;

use super::cluster::{introduce, start_node, start_node_on, start_nodes, until};
use super::cut_off::CutOff;
use super::disks::store;
use super::*;
use crate::error::PlacementsError;
use crate::store::placements;

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

/// V1: while a node waits for the end of another's head, anybody may change what is asked of the volume.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_is_taken_over_though_its_record_changes_meanwhile() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(3).await;
    let first = nodes[0].attach("one").await;
    write(&first, 0, &[1; 4096], true).await.unwrap();
    drop(first);
    let [killed, heir, third] = [0; 3].map(|_| nodes.remove(0));
    // Its lease stands for a while.
    killed.die().await;
    let attaching = heir.attach("two");
    let changing = async {
        until(|| third.volumes.find_here(&name("v")).unwrap().view().epoch == Epoch(2)).await;
        let quota = Some(ByteCount(1 << 30));
        third.volumes.limit(&name("v"), quota).await.unwrap();
    };
    let both = async { tokio::join!(attaching, changing) };
    let both = tokio::time::timeout(Duration::from_mins(1), both).await;
    let (second, ()) = both.expect("the volume is taken over");
    assert_eq!(read(&second, 0, 4096).await.unwrap(), vec![1; 4096]);
    let shown = heir.volumes.show(&name("v")).await.unwrap();
    assert_eq!(shown.quota, Some(ByteCount(1 << 30)));
    drop(second);
    for node in [heir, third] {
        node.stop().await;
    }
}

/// V1: a process that was stopped for long may take another lease before it notices that the one before has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_does_not_outlive_the_lease_that_it_began_under() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 1).await;
    nodes[0].create(1).await;
    let export = nodes[0].attach("one").await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let node = &nodes[0].volumes.shared.node;
    let lease = &node.others.as_ref().unwrap().lease;
    let before = lease.id();
    node.store.end_lease(before.unwrap()).await.unwrap();
    until(|| lease.id().is_some_and(|now| Some(now) != before)).await;
    assert_eq!(read(&export, 0, 4096).await, Err(IoError::Gone));
    drop(export);
    let export = nodes[0].attach("two").await;
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![1; 4096]);
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}

/// V1: what an earlier head is late with changes nothing that a later one has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_was_overtaken_places_nothing() {
    let folder = TempDir::new().unwrap();
    let nodes = start_nodes(&folder, 2).await;
    nodes[0].create(2).await;
    let export = nodes[0].attach("one").await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    drop(export);
    let machine = Arc::clone(&nodes[0].volumes.find_here(&name("v")).unwrap().machine);
    let pages = machine.pages();
    let placed = placements::load(&*machine.node.store, machine.volume)
        .await
        .unwrap();
    let (&extent, placement) = placed.placed.first_key_value().unwrap();
    let alloc = placement.alloc;
    let files = [ExtentFile { extent, alloc }];
    let second = nodes[1].attach("two").await;
    let late = placements::remove(&pages, &files, &BTreeSet::new()).await;
    assert!(matches!(late, Err(PlacementsError::Overtaken)), "{late:?}");
    assert_eq!(read(&second, 0, 4096).await.unwrap(), vec![1; 4096]);
    drop(second);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_attach_ends_though_the_head_is_abandoned_before_it_has_begun() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"so that it has to promise", true)
        .await
        .unwrap();
    drop(export);
    let machine = Arc::clone(&volumes.find_here(&name("v")).unwrap().machine);
    let abandoning = tokio::spawn(async move {
        loop {
            machine.abandon();
            tokio::task::yield_now().await;
        }
    });
    let volume = name("v");
    for _ in 0..20 {
        let attaching = volumes.attach(&volume, owner("me"));
        let ended = tokio::time::timeout(Duration::from_mins(1), attaching).await;
        assert!(ended.is_ok(), "it waits for ever");
    }
    abandoning.abort();
    let _ = abandoning.await;
    volumes.attach(&volume, owner("me")).await.unwrap();
}
