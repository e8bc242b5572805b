//! Extents get the replicas that they lack, while clients write.

use std::sync::atomic::{AtomicBool, Ordering};

use volumed_core::placement::{Placement, Role};

use super::cluster::{Running, introduce, start_node, start_nodes, until};
use super::*;

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

/// How many replicas the volume lacks, as each node says: the one that serves it, and those that read the store.
async fn lacking(nodes: &[Running]) -> Vec<u64> {
    let mut said = Vec::new();
    for node in nodes {
        let of_one = node.volumes.lacking_of(&name("v")).await.unwrap();
        let of_all: u64 = node.volumes.lacking().await.unwrap().values().sum();
        assert_eq!(of_one, of_all);
        said.push(of_one);
    }
    said
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
async fn a_volume_gives_replicas_up_while_it_is_written() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(3).await;
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
    let on = |number| extents_on(&folder, number);
    let view = nodes[1].volumes.set_replicas(&name("v"), 2).await.unwrap();
    assert_eq!(view.replicas, 2);
    until(|| on(1) >= 4 && on(2) + on(3) == on(1)).await;
    nodes[2].volumes.set_replicas(&name("v"), 1).await.unwrap();
    until(|| on(1) >= 4 && on(2) + on(3) == 0).await;
    stop.store(true, Ordering::Release);
    let held = writing.await.unwrap();
    holds(&export, &held).await;
    drop(export);
    // The node that the head is on has everything.
    for _ in 0..2 {
        nodes.remove(1).die().await;
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_placed_by_too_few_nodes_gets_its_replicas_when_another_joins() {
    let folder = TempDir::new().unwrap();
    let mut nodes = start_nodes(&folder, 3).await;
    nodes[0].create(3).await;
    let export = nodes[0].attach("one").await;
    write(&export, 0, &vec![1; 65_536], true).await.unwrap();
    nodes.remove(2).die().await;
    while nodes[0].stale().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lacking(&nodes).await, [0, 0], "it may come back");
    // It is removed from the cluster.
    introduce(&nodes);
    write(&export, 16 * PLACE, &vec![2; 65_536], true)
        .await
        .unwrap();
    // One of each extent, those among them that were taken ahead.
    while lacking(&nodes).await != [extents_on(&folder, 1) as u64; 2] {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(extents_on(&folder, 1) >= 2);
    nodes.push(start_node(&folder, 4, 0).await);
    introduce(&nodes);
    for node in &nodes {
        node.volumes
            .rebuild_in_background(ByteCount(1 << 30), Duration::from_hours(1));
    }
    until(|| extents_on(&folder, 4) == extents_on(&folder, 1)).await;
    // Nothing is kept for the one that was removed.
    while nodes[0].stale().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while lacking(&nodes).await != [0; 3] {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holds(&export, &[1]).await;
    drop(export);
    for node in nodes {
        node.stop().await;
    }
}
