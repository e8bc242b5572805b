//! Small objects with three replicas, beside a peer that keeps one.

use std::path::Path;
use std::time::Duration;

use hayrack_rack::network::NodeIndex;

use super::Options;
use super::bed::Bed;
use super::figure::Figure;
use crate::load::{self, Load};
use crate::server::{Launch, Server};
use crate::sign::Target;
use crate::size::ByteSize;
use crate::work::{Names, Work};

/// Measures; the peer's data lie in `folder`.
pub fn measure(bed: &Bed, folder: &Path, options: &Options) -> anyhow::Result<Vec<Figure>> {
    let bucket = bed.create_bucket(NodeIndex(1), "objects")?;
    let first = bed.target(NodeIndex(1), &bucket.name)?;
    // Some node serves it from now on.
    puts(&first, "first/", Duration::from_millis(100))?;
    let owner = bed.owner(&bucket.volume)?;
    let another = bed.rack.indices().find(|index| *index != owner);
    let time = Duration::from_secs(u64::from(options.seconds) * 2);
    let own = puts(&bed.target(owner, &bucket.name)?, "owner/", time)?;
    let name = "PUT of 4 KiB, 32 connections, three replicas";
    let mut figures = vec![Figure::new(name, own, "/s")];
    if let Some(another) = another {
        let hop = puts(&bed.target(another, &bucket.name)?, "hop/", time)?;
        let name = "the same at a node that does not serve the bucket";
        figures.push(Figure::new(name, hop / own, "times"));
    }
    if let Some(command) = options.peer_command.clone() {
        let data = folder.join("peer");
        let peer = Server::start(Launch::Peer { command, data })?;
        let peer = puts(peer.target(), "peer/", time)?;
        let name = "PUT of 4 KiB with three replicas, beside the peer with one";
        figures.push(Figure::new(name, own / peer, "times").at_least(5.0));
    }
    Ok(figures)
}

/// PUTs a second.
fn puts(target: &Target, prefix: &str, limit: Duration) -> anyhow::Result<f64> {
    nix::unistd::sync();
    let load = Load {
        work: Work::Put,
        size: ByteSize(4 << 10),
        connections: 32,
        limit,
        objects: 250_000,
        once: true,
        prefix: prefix.to_owned(),
        names: Names::Counted,
    };
    let report = load::run(target, &load)?;
    eprint!("{report}");
    anyhow::ensure!(
        report.errors == 0,
        "PUTs failed: {:?}",
        report.error_examples
    );
    Ok(report.per_second)
}
