//! A node that was away gets what changed meanwhile, and no more is read of it than that (V4).

use super::cluster::{Running, introduce, start_node, start_nodes};
use super::*;

const REGION: u64 = 4 * MIB;

/// How many there are: one more than is written to, placed ahead.
const EXTENTS: usize = 3;

/// A volume on two nodes, of which regions 0 to 23, in two extents, hold something; nothing is dirty.
async fn filled(folder: &TempDir) -> (Vec<Running>, Arc<Export>) {
    let nodes = start_nodes(folder, 2).await;
    nodes[0].create(2).await;
    let export = nodes[0].attach("one").await;
    for region in 0..24 {
        let data = vec![region as u8 | 1; MIB as usize / 4];
        write(&export, region * REGION, &data, false).await.unwrap();
    }
    drop(export);
    let detached = nodes[0].volumes.detach(&name("v"), &owner("one")).await;
    detached.unwrap();
    let export = nodes[0].attach("one").await;
    (nodes, export)
}

/// The second node is away while `meanwhile` happens, comes back and gets in sync.
async fn away_while(
    folder: &TempDir,
    nodes: &mut Vec<Running>,
    meanwhile: impl AsyncFnOnce(&[Running]),
) {
    let away = nodes.pop().unwrap();
    let port = away.port();
    away.die().await;
    meanwhile(nodes).await;
    nodes.push(start_node(folder, 2, port).await);
    introduce(nodes);
    while nodes[0].stale().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a node's disk has of the volume: each extent's name and bytes.
fn held(folder: &TempDir, number: u16) -> Vec<(String, Vec<u8>)> {
    let path = folder
        .path()
        .join(format!("disk-{number}/volumes/v00000001"));
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap());
    let mut held: Vec<_> = files
        .filter(|file| file.path().extension().is_some_and(|it| it == "data"))
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .collect();
    held.sort();
    held
}

fn assert_equal(folder: &TempDir) {
    let (one, two) = (held(folder, 1), held(folder, 2));
    assert_eq!(one.len(), EXTENTS);
    assert!(one == two, "the replicas differ");
}

/// Bytes that the second node compared, and that were copied to it.
fn work(nodes: &[Running]) -> (u64, u64) {
    let work = nodes[1].volumes.work();
    (work.compared.get(), work.copied.get())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_is_resynced_by_the_regions_that_changed() {
    let folder = TempDir::new().unwrap();
    let (mut nodes, export) = filled(&folder).await;
    let written = 3 * MIB;
    away_while(&folder, &mut nodes, async |_| {
        for region in [1, 9, 20] {
            let data = vec![200; MIB as usize];
            write(&export, region * REGION, &data, false).await.unwrap();
        }
    })
    .await;
    let (compared, copied) = work(&nodes);
    assert!(copied >= written && copied <= 2 * written, "{copied}");
    assert_eq!(compared, 3 * REGION);
    drop(export);
    for node in nodes {
        node.stop().await;
    }
    assert_equal(&folder);
}

/// What was cleaned since is in no dirty log any more, and the head that saw the node go is gone, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_head_knows_what_a_node_missed() {
    let folder = TempDir::new().unwrap();
    let (mut nodes, export) = filled(&folder).await;
    let mut exports = Vec::new();
    away_while(&folder, &mut nodes, async |nodes| {
        write(&export, REGION, &[201; 4096], true).await.unwrap();
        drop(export);
        let detached = nodes[0].volumes.detach(&name("v"), &owner("one")).await;
        detached.unwrap();
        let export = nodes[0].attach("one").await;
        write(&export, 9 * REGION, &[202; 4096], true)
            .await
            .unwrap();
        drop(export);
        exports.push(nodes[0].attach("two").await);
    })
    .await;
    assert_eq!(work(&nodes), (2 * REGION, 2 * 4096));
    drop(exports);
    for node in nodes {
        node.stop().await;
    }
    assert_equal(&folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_a_file_meanwhile_is_resynced_as_a_whole() {
    let folder = TempDir::new().unwrap();
    let (mut nodes, export) = filled(&folder).await;
    away_while(&folder, &mut nodes, async |_| {
        write(&export, REGION, &[201; 4096], true).await.unwrap();
        let path = folder.path().join("disk-2/volumes/v00000001");
        for file in std::fs::read_dir(path).unwrap() {
            let path = file.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("1.")
            {
                std::fs::remove_file(path).unwrap();
            }
        }
    })
    .await;
    let (compared, _) = work(&nodes);
    assert_eq!(compared, EXTENTS as u64 * 16 * REGION);
    drop(export);
    for node in nodes {
        node.stop().await;
    }
    assert_equal(&folder);
}
