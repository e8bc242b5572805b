//! A volume and a file that nbdkit serves, measured in turn on the same disk and in memory.

mod alone;
mod load;
mod results;
mod served;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::server;
use crate::size::ByteSize;
use alone::Alone;
use load::{Figure, LOADS};
use served::{Served, Side};
use table::{Place, Row};

/// What to compare, and where.
#[derive(Args)]
pub struct Options {
    /// The volumed binary
    #[arg(long, value_name = "FILE")]
    volumed: Option<PathBuf>,
    /// A folder on the disk to measure; what is written there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// A folder in memory
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    memory: PathBuf,
    /// The size of the volume and of the file
    #[arg(long, default_value = "4GiB")]
    size: ByteSize,
    /// How long each load goes on
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// How often each load is put on each side, in turn; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How much is written and not flushed before the daemon is killed, to see how long it needs to
    /// come back
    #[arg(long, default_value = "10GiB")]
    dirty: ByteSize,
    /// How many volumes nobody uses, to see their memory
    #[arg(long, default_value_t = 1000)]
    idle: u32,
    /// A folder to write RESULTS.md and volumes.svg to
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When a server could not be started, or a load failed.
pub fn execute(options: &Options) -> anyhow::Result<ExitCode> {
    let volumed = server::program(options.volumed.as_deref(), "volumed")?;
    let places = [
        measure("on the disk", &options.data, &volumed, options)?,
        measure("in memory", &options.memory, &volumed, options)?,
    ];
    let folder = server::folder(&options.data)?;
    let alone = Alone::measure(folder.path(), &volumed, options)?;
    print!("{}\n{alone}", table::markdown(&places));
    if let Some(folder) = &options.results {
        results::write(folder, &places, &alone, options)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every load on both sides, with their data in one folder.
fn measure(
    name: &'static str,
    parent: &Path,
    volumed: &Path,
    options: &Options,
) -> anyhow::Result<Place> {
    let folder = server::folder(parent)?;
    let mut sides = Vec::new();
    for side in [Side::Volumed, Side::Nbdkit] {
        let data = folder.path().join(side.name());
        sides.push(Served::start(side, volumed, &data, options.size)?);
    }
    let mut rows = Vec::new();
    for load in &LOADS {
        let rounds = if load.once { 1 } else { options.rounds };
        let mut figures = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (served, figures) in sides.iter().zip(&mut figures) {
                figures.push(load.run(served, options)?);
            }
        }
        let [own, peer] = figures.map(median);
        eprintln!(
            "{name}: {}: {:.0} and {:.0}/s",
            load.name, own.rate, peer.rate
        );
        rows.push(Row { load, own, peer });
    }
    Ok(Place { name, rows })
}

fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    figures[figures.len() / 2]
}
