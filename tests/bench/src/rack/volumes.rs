//! What replicas cost a volume: one with three of them and one with one, on the same nodes, in turn.

use super::Options;
use super::bed::Bed;
use super::figure::{Figure, percentile};
use crate::fio::Fio;
use crate::size::ByteSize;

const SIZE: ByteSize = ByteSize(1 << 30);
const ROUNDS: usize = 3;

struct Load {
    name: &'static str,
    pattern: &'static str,
    block: u32,
    depth: u32,
    /// Of the rate with one replica.
    asked: Option<f64>,
}

const LOADS: [Load; 4] = [
    Load {
        name: "random write of 4 KiB, 32 under way, three replicas of one",
        pattern: "randwrite",
        block: 4 << 10,
        depth: 32,
        asked: Some(0.4),
    },
    Load {
        name: "random write of 4 KiB, 1 under way, three replicas of one",
        pattern: "randwrite",
        block: 4 << 10,
        depth: 1,
        asked: None,
    },
    Load {
        name: "sequential write of 1 MiB, 8 under way, three replicas of one",
        pattern: "write",
        block: 1 << 20,
        depth: 8,
        asked: Some(0.3),
    },
    Load {
        name: "random read of 4 KiB, 32 under way, three replicas of one",
        pattern: "randread",
        block: 4 << 10,
        depth: 32,
        asked: None,
    },
];

/// Measures.
pub fn measure(bed: &Bed, options: &Options) -> anyhow::Result<Vec<Figure>> {
    let uris = [("one", "1"), ("three", "3")].map(|(name, replicas)| {
        let size = SIZE.0.to_string();
        let words = ["volume", "create", name, "--size", &size];
        let made = bed.ask(&[&words[..], &["--replicas", replicas]].concat());
        made.map(|_| bed.uri(name))
    });
    let [one, three] = uris;
    let uris = [one?, three?];
    for uri in &uris {
        run(uri, &LOADS[2], None)?;
    }
    let figure = |load: &Load| {
        let [one, three] = rates(load, &uris, options)?;
        eprintln!("{}: {one:.0} and {three:.0}/s", load.name);
        let figure = Figure::new(load.name, three / one, "times");
        Ok(match load.asked {
            Some(bound) => figure.at_least(bound),
            None => figure,
        })
    };
    LOADS.iter().map(figure).collect()
}

/// The median rate on each volume.
fn rates(load: &Load, uris: &[String; 2], options: &Options) -> anyhow::Result<[f64; 2]> {
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (uri, rates) in uris.iter().zip(&mut rates) {
            nix::unistd::sync();
            rates.push(run(uri, load, Some(options.seconds))?);
        }
    }
    Ok(rates.map(|rates| percentile(rates, 500)))
}

fn run(uri: &str, load: &Load, seconds: Option<u32>) -> anyhow::Result<f64> {
    let fio = Fio {
        uri,
        size: SIZE,
        pattern: load.pattern,
        block: load.block,
        depth: load.depth,
        connections: 1,
        seconds,
    };
    Ok(fio.run()?.rate)
}
