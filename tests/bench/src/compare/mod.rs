//! Hayrack and a peer, measured in turn on the same disk.

mod plan;
mod results;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::load;
use crate::report::Report;
use crate::server::{self, Launch, Server};
use crate::size::ByteSize;
use plan::{Extent, Planned, Step};
use table::Row;

/// What to compare, and where.
#[derive(Args)]
pub struct Options {
    /// The peer: the path of a MinIO binary, or a command line in which {data} and {listen} are
    /// filled in and that takes the keys of MINIO_ROOT_USER and MINIO_ROOT_PASSWORD; without it
    /// Hayrack is measured alone
    #[arg(long, value_name = "COMMAND")]
    peer_command: Option<String>,
    /// The s3d binary, with volumed beside it
    #[arg(long, value_name = "FILE")]
    s3d: Option<PathBuf>,
    /// A folder on the disk to measure; what is written there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// How long each measurement lasts at most
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// How many objects of scattered names are stored
    #[arg(long, default_value_t = 1_000_000)]
    many: usize,
    /// The size of the object that is copied
    #[arg(long, default_value = "5GiB")]
    copied: ByteSize,
    /// A folder to write RESULTS.md and results.svg to
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// When a server could not be started. Failed requests are shown, and make the exit code non-zero.
pub fn execute(options: &Options) -> anyhow::Result<ExitCode> {
    let data = server::folder(&options.data)?;
    let s3d = server::program(options.s3d.as_deref(), "s3d")?;
    let own = data.path().join("hayrack");
    let mut launches = vec![Launch::Hayrack { s3d, data: own }];
    launches.extend(options.peer_command.clone().map(|command| Launch::Peer {
        command,
        data: data.path().join("peer"),
    }));
    launches.push(Launch::Ceiling);
    let started = launches.into_iter().map(Server::start);
    let mut servers = started.collect::<anyhow::Result<Vec<_>>>()?;
    let extent = Extent {
        limit: Duration::try_from_secs_f64(options.seconds).context("--seconds is not a time")?,
        many: options.many,
        copied: options.copied,
    };
    let mut rows = Vec::new();
    for step in plan::steps(extent) {
        rows.extend(take(&step, &mut servers)?);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", table::plain(&rows));
    }
    if let Some(folder) = &options.results {
        results::write(folder, &rows, &extent)?;
    }
    let failed = rows
        .iter()
        .flat_map(|row| &row.reports)
        .any(|report| report.errors > 0);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Takes one step on every server.
fn take(step: &Step, servers: &mut [Server]) -> anyhow::Result<Vec<Row>> {
    let mebibytes = |name, figures: Figures| vec![figures.row(name, "MiB", true)];
    Ok(match step {
        Step::Loads(loads) => load_all(loads, servers)?,
        Step::PeakMemory(name) => mebibytes(*name, Figures::of(servers, Server::peak_memory)?),
        Step::IdleMemory(name, rest) => {
            std::thread::sleep(*rest);
            mebibytes(*name, Figures::of(servers, Server::held_memory)?)
        }
        Step::Restart(name) => {
            let key = plan::one_of_many();
            let restart = |server: &mut Server| Ok(server.restart(&key)?.as_secs_f64());
            vec![Figures::of_mut(servers, restart)?.row(name, "s", true)]
        }
    })
}

fn load_all(loads: &[Planned], servers: &[Server]) -> anyhow::Result<Vec<Row>> {
    let mut taken: Vec<_> = loads.iter().map(|_| Taken::default()).collect();
    for server in servers {
        for (planned, taken) in loads.iter().zip(&mut taken) {
            if server.stores() || planned.has_ceiling {
                taken.load(server, planned)?;
            }
        }
    }
    let rows = loads.iter().zip(taken);
    Ok(rows.filter_map(|(it, taken)| taken.row(it)).collect())
}

/// What one load measured on each server.
#[derive(Default)]
struct Taken {
    figures: Figures,
    reports: Vec<Report>,
}

impl Taken {
    fn load(&mut self, server: &Server, planned: &Planned) -> anyhow::Result<()> {
        // What was left unwritten before must not slow this one down.
        nix::unistd::sync();
        let report = load::run(server.target(), &planned.load)?;
        eprint!("{}: {report}", server.name());
        let figure = (planned.figure.value)(&report);
        self.figures.set(server.name(), figure);
        self.reports.push(report);
        Ok(())
    }

    /// A row, if it is shown or something failed.
    fn row(self, planned: &Planned) -> Option<Row> {
        let Self { figures, reports } = self;
        let failed = reports.iter().any(|report| report.errors > 0);
        let figure = planned.figure;
        let row = figures.row(planned.name, figure.unit, figure.less_is_better);
        (planned.shown || failed).then_some(Row { reports, ..row })
    }
}

/// The figures of one measurement.
#[derive(Default)]
struct Figures {
    own: f64,
    peer: Option<f64>,
    ceiling: Option<f64>,
}

impl Figures {
    /// A figure of each server that stores.
    fn of(servers: &[Server], take: fn(&Server) -> anyhow::Result<f64>) -> anyhow::Result<Self> {
        let mut figures = Self::default();
        for server in servers.iter().filter(|server| server.stores()) {
            figures.set(server.name(), take(server)?);
        }
        Ok(figures)
    }

    fn of_mut(
        servers: &mut [Server],
        take: impl Fn(&mut Server) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        let mut figures = Self::default();
        for server in servers.iter_mut().filter(|server| server.stores()) {
            figures.set(server.name(), take(server)?);
        }
        Ok(figures)
    }

    fn set(&mut self, name: &str, figure: f64) {
        match name {
            "peer" => self.peer = Some(figure),
            "ceiling" => self.ceiling = Some(figure),
            _ => self.own = figure,
        }
    }

    fn row(self, name: &'static str, unit: &'static str, less_is_better: bool) -> Row {
        Row {
            name,
            unit,
            less_is_better,
            own: self.own,
            peer: self.peer,
            ceiling: self.ceiling,
            reports: Vec::new(),
        }
    }
}
