//! How fast a store is: in a SQLite file, in an etcd of one member, and in one of three, all here.
//!
//! `cargo run --release -p volumed-meta --example speed`; it needs Debian's `etcd-server`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hayrack_etcd::Cluster;
use volumed_meta::{Change, Location, MEMBER_ARGUMENTS, MetaStore};

/// Each figure is measured for so long.
const MEASURED: Duration = Duration::from_secs(3);

/// Like a placement page of a volume that is half full.
const VALUE: usize = 2_048;

const AT_ONCE: usize = 32;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = Location::from(folder.path().join("meta.db"));
    let sqlite = measure("SQLite", file, None).await?;
    for members in [1, 3] {
        let cluster = Cluster::start_with(members, &MEMBER_ARGUMENTS);
        let location = format!("etcd://{}", cluster.endpoints()).parse()?;
        measure(&format!("etcd, {members}"), location, Some(sqlite)).await?;
    }
    Ok(())
}

/// A second: transactions one after another, and many at once, and reads of a key.
async fn measure(
    name: &str,
    location: Location,
    beside: Option<[f64; 3]>,
) -> anyhow::Result<[f64; 3]> {
    let store = volumed_meta::open(location).await?;
    let figures = [
        rate(&store, 1, transact).await?,
        rate(&store, AT_ONCE, transact).await?,
        rate(&store, 1, get).await?,
    ];
    let what = ["transactions", "32 at once", "gets"];
    for (at, (what, figure)) in what.iter().zip(figures).enumerate() {
        let ratio = beside.map(|beside| format!(", {:.2} of SQLite's", figure / beside[at]));
        println!(
            "{name:10} {what:12} {figure:7.0} /s{}",
            ratio.unwrap_or_default()
        );
    }
    Ok(figures)
}

async fn rate<F>(
    store: &Arc<dyn MetaStore>,
    at_once: usize,
    work: fn(Arc<dyn MetaStore>, usize) -> F,
) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let lanes = (0..at_once).map(|lane| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < MEASURED {
                work(Arc::clone(&store), lane).await?;
                done += 1;
            }
            anyhow::Ok(done)
        })
    });
    let mut done = 0;
    for lane in lanes.collect::<Vec<_>>() {
        done += lane.await??;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

async fn transact(store: Arc<dyn MetaStore>, lane: usize) -> anyhow::Result<()> {
    let put = Change::Put(key(lane), vec![7; VALUE]);
    store.transact(Vec::new(), vec![put]).await?;
    Ok(())
}

async fn get(store: Arc<dyn MetaStore>, lane: usize) -> anyhow::Result<()> {
    store.get(&key(lane)).await?;
    Ok(())
}

fn key(lane: usize) -> Vec<u8> {
    format!("extents/{lane}").into_bytes()
}
