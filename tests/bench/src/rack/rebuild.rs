//! What clients notice while replicas are made.

use hayrack_rack::network::NodeIndex;

use super::Options;
use super::bed::Bed;
use super::figure::Figure;
use crate::fio::{Done, Fio};
use crate::size::ByteSize;

const VOLUME: &str = "rebuilt";
const MIB: f64 = 1024.0 * 1024.0;
const SIZE: ByteSize = ByteSize(3 << 30);

/// Measures random writes of a volume of two replicas before and while it gets a third.
pub fn measure(bed: &Bed, options: &Options) -> anyhow::Result<Vec<Figure>> {
    let size = SIZE.0.to_string();
    let words = ["volume", "create", VOLUME, "--size", &size];
    bed.ask(&[&words[..], &["--replicas", "2"]].concat())?;
    let uri = bed.uri(VOLUME);
    fio(&uri, "write", 1 << 20, None)?;
    nix::unistd::sync();
    let before = fio(&uri, "randwrite", 4 << 10, Some(options.seconds))?;
    let received = received(bed)?;
    bed.ask(&["volume", "replicas", VOLUME, "3"])?;
    let during = fio(&uri, "randwrite", 4 << 10, Some(options.seconds))?;
    let copied = self::received(bed)? - received;
    let took = bed.until_in_sync(VOLUME);
    eprintln!("{copied} bytes were received in the time; the rest: {took:?}");
    let name = "random writes while a third replica is made: median latency of before";
    Ok(vec![
        Figure::new(name, during.p50_ms / before.p50_ms, "times").at_most(2.0),
        Figure::new("of 99 in 100", during.p99_ms / before.p99_ms, "times").at_most(2.0),
        Figure::new(
            "what the nodes receive meanwhile",
            copied as f64 / MIB / f64::from(options.seconds),
            "MiB/s",
        ),
    ])
}

fn received(bed: &Bed) -> anyhow::Result<u64> {
    let nodes = bed.rack.indices().filter(|index| *index != NodeIndex(1));
    nodes.map(|index| bed.received(index)).sum()
}

fn fio(uri: &str, pattern: &'static str, block: u32, seconds: Option<u32>) -> anyhow::Result<Done> {
    Fio {
        uri,
        size: SIZE,
        pattern,
        block,
        depth: 8,
        connections: 1,
        seconds,
    }
    .run()
}
