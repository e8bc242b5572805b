//! Many buckets on a rack: made, left alone, without one of their nodes, and after all power was lost.

use std::time::{Duration, Instant};

use hayrack_rack::network::NodeIndex;

use super::bed::{Bed, Bucket};
use super::failover::{self, probes};
use super::figure::{Figure, percentile};
use super::probe;
use crate::process::memory_of;

/// How long buckets are left alone before memory is read.
const REST: Duration = Duration::from_mins(1);

/// How often it is said how many buckets there are.
const SAY_EVERY: usize = 50;

/// Measures with so many buckets.
pub fn measure(bed: &mut Bed, count: usize) -> anyhow::Result<Vec<Figure>> {
    let (buckets, mut figures) = create(bed, count)?;
    eprintln!("a node is killed");
    // Each holds an object then.
    figures.extend(failover::measure(bed, &buckets)?);
    eprintln!("the rack rests for {REST:?}");
    figures.push(memory(bed)?);
    eprintln!("all nodes are killed");
    figures.extend(power_on(bed, &buckets)?);
    Ok(figures)
}

fn create(bed: &Bed, count: usize) -> anyhow::Result<(Vec<Bucket>, Vec<Figure>)> {
    let (mut buckets, mut times) = (Vec::new(), Vec::new());
    let mut nodes = bed.rack.indices().collect::<Vec<_>>().into_iter().cycle();
    for number in 0..count {
        let node = nodes.next().unwrap_or(NodeIndex(1));
        let begun = Instant::now();
        buckets.push(bed.create_bucket(node, &format!("many-{number}"))?);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        if (number + 1) % SAY_EVERY == 0 {
            eprintln!("{} of {count} buckets are made", number + 1);
        }
    }
    let median = percentile(times.clone(), 500);
    let slow = percentile(times, 990);
    let figures = vec![
        Figure::new(
            format!("each of {count} buckets is made in, median"),
            median,
            "ms",
        )
        .at_most(200.0),
        Figure::new("99 of 100 in", slow, "ms"),
    ];
    Ok((buckets, figures))
}

/// The most that any node holds, both daemons and etcd.
fn memory(bed: &Bed) -> anyhow::Result<Figure> {
    std::thread::sleep(REST);
    let of_node = |index: NodeIndex| -> anyhow::Result<f64> {
        let ids = bed.rack.node(index).process_ids();
        ids.iter()
            .map(|id| memory_of(id.cast_signed(), "VmRSS:"))
            .sum()
    };
    let nodes = bed.rack.indices().map(of_node);
    let nodes = nodes.collect::<anyhow::Result<Vec<_>>>()?;
    eprintln!("MiB of memory by node: {nodes:.0?}");
    let most = percentile(nodes, 1000);
    Ok(Figure::new(
        "memory of a node with buckets that nobody uses",
        most,
        "MiB",
    )
    .at_most(512.0))
}

fn power_on(bed: &mut Bed, buckets: &[Bucket]) -> anyhow::Result<Vec<Figure>> {
    let nodes: Vec<_> = bed.rack.indices().collect();
    let probes = probes(bed, buckets, &nodes)?;
    for node in &nodes {
        bed.rack.kill(*node);
    }
    let begun = Instant::now();
    for node in &nodes {
        bed.rack.spawn(*node)?;
    }
    let answered = probe::get(&probes, begun)?;
    let (first, last) = (percentile(answered.clone(), 0), percentile(answered, 1000));
    bed.rack.start_all()?;
    let name = format!(
        "after kill -9 of all nodes, the first of {} buckets answers",
        buckets.len()
    );
    Ok(vec![
        Figure::new(name, first, "s").at_most(15.0),
        Figure::new("the last of them, all asked at once", last, "s"),
    ])
}
