//! How long buckets do not answer when their node is killed.

use std::time::Instant;

use hayrack_rack::network::NodeIndex;

use super::bed::{Bed, Bucket};
use super::figure::{Figure, percentile};
use super::probe::{Answered, Probe, put_and_get};

/// Kills the node that serves most of these buckets, and has a client for each of them ask the others until it
/// answers; then starts it again.
pub fn measure(bed: &mut Bed, buckets: &[Bucket]) -> anyhow::Result<Vec<Figure>> {
    let all: Vec<_> = bed.rack.indices().collect();
    put_and_get(&probes(bed, buckets, &all)?, Instant::now())?;
    let served = bed.served()?;
    let of = |node: NodeIndex| -> Vec<Bucket> {
        let is_served = |bucket: &&Bucket| {
            let mut served = served.iter();
            served.any(|(volume, by)| *by == node && *volume == bucket.volume)
        };
        buckets.iter().filter(is_served).cloned().collect()
    };
    let victim = all.iter().copied().max_by_key(|node| of(*node).len());
    let victim = victim.unwrap_or(NodeIndex(1));
    let lost = of(victim);
    let others: Vec<_> = all.into_iter().filter(|node| *node != victim).collect();
    let probes = probes(bed, &lost, &others)?;
    bed.rack.kill(victim);
    let answered = put_and_get(&probes, Instant::now())?;
    bed.rack.start(victim)?;
    bed.rack.until_store_is_whole()?;
    Ok(figures(&answered, buckets.len()))
}

/// A client of these nodes for each bucket; they do not all begin with the same node.
pub fn probes(bed: &Bed, buckets: &[Bucket], nodes: &[NodeIndex]) -> anyhow::Result<Vec<Probe>> {
    let probe = |(number, bucket): (usize, &Bucket)| {
        let mut nodes = nodes.to_vec();
        let first = number % nodes.len();
        nodes.rotate_left(first);
        let targets = nodes.iter().map(|node| bed.target(*node, &bucket.name));
        Probe::new(&targets.collect::<anyhow::Result<Vec<_>>>()?)
    };
    buckets.iter().enumerate().map(probe).collect()
}

fn figures(answered: &[Answered], buckets: usize) -> Vec<Figure> {
    let of = |take: fn(&Answered) -> f64, per_mille| {
        percentile(answered.iter().map(take).collect(), per_mille)
    };
    let (count, name) = (answered.len(), format!("with {buckets} buckets"));
    let first = format!("kill -9 of a node {name}: its {count} answer a PUT, median");
    vec![
        Figure::new(first, of(|it| it.put, 500), "s").at_most(5.0),
        Figure::new("the last of them", of(|it| it.put, 1000), "s").at_most(10.0),
        Figure::new("a GET then, median", of(|it| it.get, 500), "s").at_most(5.0),
        Figure::new("the last of them", of(|it| it.get, 1000), "s").at_most(10.0),
    ]
}
