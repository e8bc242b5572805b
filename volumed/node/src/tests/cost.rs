//! What volumes cost the metadata store and the daemon: the records without the data. Each takes minutes:
//! `cargo test -p volumed-node cost -- --ignored --nocapture`; ARCHITECTURE.md, "Cost at scale", has what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use hayrack_etcd::Cluster;
use volumed_core::placement::{Candidate, Placement, Role, choose};
use volumed_core::{Alloc, DiskNumber, EXTENT_SIZE, ExtentIndex, VolumeId};
use volumed_meta::{Change, MEMBER_ARGUMENTS};

use super::*;
use crate::store::placements::{self, Pages};
use crate::store::records::{extents_prefix, read_all, volume_key};

const TIB: u64 = 1 << 40;
/// What a head takes ahead of a sequential writer.
const AHEAD: u64 = 8;
const VOLUME: VolumeId = VolumeId(1);

async fn etcd(cluster: &Cluster) -> Arc<dyn MetaStore> {
    let location: volumed_meta::Location =
        format!("etcd://{}", cluster.endpoints()).parse().unwrap();
    volumed_meta::open(location).await.unwrap()
}

/// What the member says of its file: bytes in use, and bytes with what it may use again.
fn size_of(cluster: &Cluster) -> (f64, f64) {
    let mut call = TcpStream::connect(cluster.endpoint(0)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: etcd\r\nconnection: close\r\n\r\n";
    call.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    call.read_to_string(&mut said).unwrap();
    let figure = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.strip_prefix(name));
        let figure = lines
            .next()
            .and_then(|line| line.trim().parse::<f64>().ok());
        figure.unwrap_or_else(|| panic!("{name} in {said}"))
    };
    (
        figure("etcd_mvcc_db_total_size_in_use_in_bytes "),
        figure("etcd_mvcc_db_total_size_in_bytes "),
    )
}

/// A volume that was written from its start through on a rack of so many nodes of a disk each.
async fn write_through(store: &dyn MetaStore, bytes: u64, nodes: u16) {
    let exists = Change::Put(volume_key(VOLUME), b"{}".to_vec());
    store.transact(Vec::new(), vec![exists]).await.unwrap();
    let disks: Vec<_> = (1..=nodes)
        .map(|number| Candidate {
            disk: DiskNumber(number),
            node: number.into(),
            free: ByteCount(TIB),
        })
        .collect();
    let pages = Pages {
        store,
        volume: VOLUME,
        head: None,
    };
    let extents = bytes / EXTENT_SIZE;
    for first in (0..extents).step_by(AHEAD as usize) {
        let alloc = Alloc(store.revision().await.unwrap());
        let place = |extent| {
            let chosen = choose(VOLUME, extent, 3, 1, &disks).unwrap();
            let replicas = chosen.into_iter().map(|disk| (disk, Role::Full)).collect();
            (extent, Placement { alloc, replicas })
        };
        let new: BTreeMap<_, _> = (first..first + AHEAD).map(ExtentIndex).map(place).collect();
        placements::add(&pages, &new, &BTreeSet::new())
            .await
            .unwrap();
    }
}

async fn placement_bytes(store: &dyn MetaStore) -> (usize, usize) {
    let pages = read_all(store, &extents_prefix(VOLUME)).await.unwrap();
    let bytes = pages.iter().map(|it| it.key.len() + it.value.len()).sum();
    (pages.len(), bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: see the head of the file"]
async fn a_volume_of_10_tib_costs_the_store_less_than_4_mib() {
    for nodes in [3, 100] {
        let cluster = Cluster::start_with(1, &MEMBER_ARGUMENTS);
        let store = etcd(&cluster).await;
        let begun = Instant::now();
        write_through(&*store, 10 * TIB, nodes).await;
        let took = begun.elapsed();
        let (pages, bytes) = placement_bytes(&*store).await;
        let (in_use, file) = size_of(&cluster);
        println!(
            "{nodes} nodes: {pages} pages, {bytes} bytes with their keys, {} an extent; etcd: {in_use} in use with its \
             history, {file} in its file; {took:?}",
            bytes as u64 * EXTENT_SIZE / (10 * TIB)
        );
        assert!(bytes < 4 << 20, "{nodes} nodes: {bytes} bytes");
    }
}

/// Kibibytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines().filter_map(|it| it.strip_prefix("VmRSS:"));
    let text = lines.next().unwrap().trim().trim_end_matches(" kB");
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: see the head of the file"]
async fn what_a_volume_costs_that_nobody_uses() {
    const FEW: u64 = 2_000;
    const MANY: u64 = 20_000;
    let cluster = Cluster::start_with(1, &MEMBER_ARGUMENTS);
    let folder = TempDir::new().unwrap();
    let store = etcd(&cluster).await;
    let disks = vec![disk(&folder.path().join("disk"), None)];
    let volumes = Volumes::start(Arc::clone(&store), disks, OPEN_EXTENTS, None);
    let volumes = volumes.await.unwrap();
    let create = async |from: u64, to: u64| {
        for number in from..to {
            let name = name(&format!("bucket-{number:032x}"));
            let made = volumes.create(&name, EIB, 1, None, None);
            made.await.unwrap();
        }
    };
    create(0, FEW).await;
    let (before, memory) = (size_of(&cluster).0, resident());
    let begun = Instant::now();
    create(FEW, FEW + MANY).await;
    let took = begun.elapsed();
    let (after, now) = (size_of(&cluster).0, resident());
    let records = read_all(&*store, b"volume").await.unwrap();
    let bytes: usize = records.iter().map(|it| it.key.len() + it.value.len()).sum();
    println!(
        "a volume: {} bytes of keys and values, {:.0} in etcd's file with its history, {:.1} KiB of memory (a debug build); \
         {MANY} were made in {took:?}",
        bytes as u64 / (FEW + MANY),
        (after - before) / MANY as f64,
        (now - memory) as f64 / MANY as f64,
    );
    volumes.stop().await;
}
