//! A rack of three nodes on this machine: what replicas cost, and what the loss of a node does.

mod bed;
mod failover;
mod figure;
mod many;
mod objects;
mod probe;
mod rebuild;
mod resync;
mod store;
mod volumes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hayrack_rack::network::NodeIndex;

use crate::page::{self, Section, machine};
use crate::server;
use bed::Bed;
use figure::{Figure, markdown};

/// Buckets of a rack with few of them.
const FEW: usize = 12;

/// What to measure, and where.
#[derive(Args)]
pub struct Options {
    /// A peer, as `compare` takes it, whose small objects are measured in the same run
    #[arg(long, value_name = "COMMAND")]
    peer_command: Option<String>,
    /// A folder on the disk to measure; what is written there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// How long each load goes on
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// How many buckets the rack has that has many
    #[arg(long, default_value_t = 1000)]
    buckets: usize,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// A folder in which RESULTS.md gets its section
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// A part of the measurements.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A volume of three replicas beside one of one
    Volumes,
    /// Small objects beside the peer's
    Objects,
    /// What the metadata store holds of a volume
    Store,
    /// What a node gets that was away
    Resync,
    /// Latency while a replica is made
    Rebuild,
    /// The loss of a node with few buckets
    Failover,
    /// Many buckets
    Many,
}

/// Measures and prints.
///
/// # Errors
/// When the rack cannot be made, or a load failed.
pub fn execute(options: &Options) -> anyhow::Result<ExitCode> {
    let folder = server::folder(&options.data)?;
    let mut bed = Bed::found(&folder.path().join("rack"))?;
    let mut figures = Vec::new();
    let parts = Part::value_variants().iter();
    let wanted = |part: &&Part| options.only.is_empty() || options.only.contains(part);
    for part in parts.filter(wanted) {
        let measured = measure(*part, &mut bed, folder.path(), options)?;
        for figure in &measured {
            eprintln!("{}", figure.line());
        }
        figures.extend(measured);
    }
    print!("{}", markdown(&figures));
    if let Some(results) = &options.results {
        page::write(results, Section::Rack, &section(&figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    part: Part,
    bed: &mut Bed,
    folder: &Path,
    options: &Options,
) -> anyhow::Result<Vec<Figure>> {
    match part {
        Part::Volumes => volumes::measure(bed, options),
        Part::Objects => objects::measure(bed, folder, options),
        Part::Store => store::measure(bed, folder),
        Part::Resync => resync::measure(bed),
        Part::Rebuild => rebuild::measure(bed, options),
        Part::Failover => few(bed),
        Part::Many => many::measure(bed, options.buckets),
    }
}

fn few(bed: &mut Bed) -> anyhow::Result<Vec<Figure>> {
    let nodes: Vec<_> = bed.rack.indices().collect();
    let create = |number: usize| {
        let node = nodes
            .get(number % nodes.len())
            .copied()
            .unwrap_or(NodeIndex(1));
        bed.create_bucket(node, &format!("few-{number}"))
    };
    let buckets = (0..FEW).map(create).collect::<anyhow::Result<Vec<_>>>()?;
    failover::measure(bed, &buckets)
}

fn section(figures: &[Figure]) -> String {
    format!(
        "Three nodes of one cluster in network namespaces of one machine, each with volumed, s3d and a member of etcd: \
         {}. All of them share its processors and its disk, so three replicas are three times the work; on a rack \
         each node has its own. Buckets have three replicas. Clients ask the nodes in turn until they get their answer.\n\n\
         Made by `make bench-rack PEER=/path/to/minio`.\n\n{}\n",
        machine(),
        markdown(figures)
    )
}
