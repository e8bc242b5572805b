//! The mount and other programs that mount a bucket, measured in turn on the same Hayrack.

mod bed;
mod measures;
mod mount;
mod noise;
mod peer;
mod reads;
mod results;
mod table;
mod writes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum as _};

use crate::ask::ask;
use crate::server::{self, Launch, Server};
use crate::sign::Target;
use crate::size::ByteSize;
use bed::{BIG, BLOCK, Bed};
use measures::{Figure, MEASURES, Measure};
use mount::Mount;
use peer::{Peer, Place};
use table::Column;

/// What to compare, and where. The peers are looked for in PATH.
#[derive(Args)]
pub struct Options {
    /// The s3d binary, with volumed beside it
    #[arg(long, value_name = "FILE")]
    s3d: Option<PathBuf>,
    /// The fused binary
    #[arg(long, value_name = "FILE")]
    fused: Option<PathBuf>,
    /// A folder on the disk to measure; what is written there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// Measure these only
    #[arg(long, value_name = "MOUNT", value_delimiter = ',')]
    only: Vec<Peer>,
    /// The size of the large file
    #[arg(long, default_value = "256MiB")]
    big: ByteSize,
    /// How many small files
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// A mount is killed when a measure takes longer than so many seconds
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// A folder to write RESULTS.md and mounts.svg to
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When the server could not be started, or Hayrack's own mount failed a measure. A peer that is
/// missing or fails is shown.
pub fn execute(options: &Options) -> anyhow::Result<ExitCode> {
    mount::drop_page_cache()?;
    ensure!(
        options.big.0 >= 1 << 20 && options.big.0.is_multiple_of(1 << 20),
        "the large file has whole MiB"
    );
    let data = server::folder(&options.data)?;
    let server = Server::start(Launch::Hayrack {
        s3d: server::program(options.s3d.as_deref(), "s3d")?,
        data: data.path().join("hayrack"),
    })?;
    let mut columns = Vec::new();
    for peer in Peer::value_variants() {
        if options.only.is_empty() || options.only.contains(peer) {
            columns.extend(column(*peer, options, data.path(), server.target())?);
        }
    }
    print!("{}", table::markdown(&columns));
    if let Some(folder) = &options.results {
        results::write(folder, &columns, options)?;
    }
    let own = columns.iter().find(|column| column.peer == Peer::Fused);
    let failed = own.is_some_and(|own| own.figures.iter().any(Option::is_none));
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// All measures of one peer; nothing if it is not on this machine.
fn column(
    peer: Peer,
    options: &Options,
    data: &Path,
    target: &Target,
) -> anyhow::Result<Option<Column>> {
    let program = match (peer, &options.fused) {
        (Peer::Fused, named) => Some(server::program(named.as_deref(), "fused")?),
        _ => peer.find(),
    };
    let Some(program) = program else {
        eprintln!("{}: not found in PATH", peer.name());
        return Ok(None);
    };
    let version = Peer::version(&program);
    let state = data.join(peer.bucket());
    let place = Place {
        target: target.with_bucket(&peer.bucket()),
        program,
        at: state.join("mnt"),
        state: state.join("state"),
    };
    let mounted = create_bucket(&place.target).and_then(|()| Mount::start(peer, place));
    let figures = match mounted {
        Ok(mount) => figures(mount, options),
        Err(error) => {
            eprintln!("{}: {error:#}", peer.name());
            vec![None; MEASURES.len() + 1]
        }
    };
    Ok(Some(Column {
        peer,
        version,
        figures,
    }))
}

fn create_bucket(target: &Target) -> anyhow::Result<()> {
    let answer = ask(target, "PUT", &target.presign("PUT", "", "")?, None)?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "could not create the bucket: {text}");
    Ok(())
}

/// The figure of each measure, and the peak memory in MiB.
fn figures(mount: Mount, options: &Options) -> Vec<Option<Figure>> {
    let mut bed = Bed::new(mount, options.big.0 as usize, options.files as usize);
    let limit = Duration::from_secs(options.limit);
    let mut figures: Vec<Option<Figure>> = Vec::new();
    for measure in &MEASURES {
        figures.push(take(measure, &mut bed, limit));
        let is_last_change = measure.changes_big && figures.len() == last_change();
        if is_last_change && let Err(error) = keeps_big(&mut bed) {
            eprintln!("{}: after its changes: {error:#}", bed.mount.peer.name());
            for (figure, measure) in figures.iter_mut().zip(&MEASURES) {
                *figure = figure.filter(|_| !measure.changes_big);
            }
        }
    }
    let value = bed.mount.peak_memory();
    let durable = None;
    figures.push(Some(Figure { value, durable }));
    figures
}

/// How many measures there are up to the last one that changes the large file.
fn last_change() -> usize {
    let last = MEASURES.iter().rposition(|measure| measure.changes_big);
    last.map_or(0, |last| last + 1)
}

fn keeps_big(bed: &mut Bed) -> anyhow::Result<()> {
    bed.remount_cold()?;
    bed::check(&bed.mount, BIG, &bed.big)
}

fn take(measure: &Measure, bed: &mut Bed, limit: Duration) -> Option<Figure> {
    let name = bed.mount.peer.name();
    match try_take(measure, bed, limit) {
        Ok(figure) => {
            let (value, unit) = (figure.value, measure.unit);
            let note = match figure.durable {
                Some(false) => ", not durable yet",
                _ => "",
            };
            eprintln!("{name}: {}: {value:.1} {unit}{note}", measure.name);
            Some(figure)
        }
        Err(error) => {
            eprintln!("{name}: {}: - {error:#}", measure.name);
            // Whatever hangs or is half done must not spoil the next measure.
            if let Err(error) = bed.restore() {
                eprintln!("{name}: {error:#}");
            }
            None
        }
    }
}

fn try_take(measure: &Measure, bed: &mut Bed, limit: Duration) -> anyhow::Result<Figure> {
    if measure.cold {
        bed.remount_cold()?;
    }
    let watch = bed.mount.watch(limit);
    let taken = (measure.take)(bed)?;
    drop(watch);
    if taken.count == 0 {
        bail!("nothing was done");
    }
    Ok(taken.figure())
}
