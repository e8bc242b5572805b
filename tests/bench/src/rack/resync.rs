//! What a node that was away gets when it comes back.

use std::time::Duration;

use anyhow::Context as _;
use hayrack_rack::network::NodeIndex;

use super::bed::{Bed, Bucket};
use super::figure::Figure;
use crate::load::{self, Load};
use crate::size::ByteSize;
use crate::work::{Names, Work};

/// Objects of 1 MiB that are there before.
const BEFORE: usize = 512;
/// Those that are put while the node is away.
const MEANWHILE: usize = 128;
const TO_THE_END: Duration = Duration::from_mins(10);

/// Measures.
pub fn measure(bed: &mut Bed) -> anyhow::Result<Vec<Figure>> {
    let bucket = bed.create_bucket(NodeIndex(1), "resync")?;
    puts(bed, &bucket, "before/", BEFORE)?;
    bed.until_in_sync(&bucket.volume)?;
    let owner = bed.owner(&bucket.volume)?;
    let away = bed.rack.indices().find(|index| *index != owner);
    let away = away.context("a rack has several nodes")?;
    let before = bed.received(away)?;
    bed.rack.kill(away);
    puts(bed, &bucket, "meanwhile/", MEANWHILE)?;
    bed.rack.start(away)?;
    let took = bed.until_in_sync(&bucket.volume)?;
    let received = bed.received(away)? - before;
    let written = (MEANWHILE << 20) as f64;
    let name = format!(
        "a node comes back after {MEANWHILE} MiB were put of {}: it receives",
        BEFORE + MEANWHILE
    );
    Ok(vec![
        Figure::new(name, received as f64 / written, "times that").at_most(2.0),
        Figure::new("until it is in sync", took.as_secs_f64(), "s"),
    ])
}

fn puts(bed: &Bed, bucket: &Bucket, prefix: &str, objects: usize) -> anyhow::Result<()> {
    // Some node serves it already, or the first does from now on.
    let node = bed.owner(&bucket.volume).unwrap_or(NodeIndex(1));
    let load = Load {
        work: Work::Put,
        size: ByteSize(1 << 20),
        connections: 4,
        limit: TO_THE_END,
        objects,
        once: true,
        prefix: prefix.to_owned(),
        names: Names::Counted,
    };
    let report = load::run(&bed.target(node, &bucket.name)?, &load)?;
    eprint!("{report}");
    anyhow::ensure!(
        report.errors == 0,
        "PUTs failed: {:?}",
        report.error_examples
    );
    Ok(())
}
