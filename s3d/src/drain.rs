//! `s3d drain`: has this node's server give its buckets to the others, and take none. What the node's disks hold stays:
//! `volumed node drain` does both.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use s3d_rack::{order_drain, presence_of};
use volumed_cluster::Cluster;
use volumed_meta::MetaStore;

use crate::place::Place;

/// How often is looked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `s3d drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    #[command(flatten)]
    place: Place,
    /// Take buckets again
    #[arg(long)]
    cancel: bool,
}

/// Runs `s3d drain`.
pub fn run(arguments: &DrainArgs) -> anyhow::Result<()> {
    let settings = arguments.place.settings()?;
    let Some(data) = &settings.cluster else {
        bail!(
            "nobody takes the buckets of a server that is in no cluster: say with --cluster where the \
             state of this node's volumed is"
        );
    };
    let cluster = Cluster::open(data)?;
    let cluster = cluster.with_context(|| format!("there is no cluster in {}", data.display()))?;
    let node = cluster.own().number;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store: Arc<dyn MetaStore> = volumed_meta::open(&settings.store).await?;
        order_drain(store.clone(), node, !arguments.cancel).await?;
        if arguments.cancel {
            println!("node {node} takes buckets again");
            return Ok(());
        }
        loop {
            match presence_of(store.clone(), node).await? {
                None => {
                    println!("node {node} serves nothing now, and will take no buckets when it is started");
                    return Ok(());
                }
                Some(presence) if presence.draining && presence.buckets == 0 => {
                    println!("node {node} has no bucket any more; s3d drain --cancel lets it take some");
                    return Ok(());
                }
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    })
}
