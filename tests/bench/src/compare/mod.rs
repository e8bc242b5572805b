//! Hayrack and a peer, measured in turn on the same disk.

mod plan;
mod server;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::load;
use crate::report::Report;
use plan::Step;
use server::Server;

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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One measurement on every server, Hayrack first.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    unit: &'static str,
    /// The figure of each server.
    figures: Vec<f64>,
    /// The report that each figure is from; none for memory.
    reports: Vec<Report>,
}

/// Measures and prints.
///
/// # Errors
/// When a server could not be started. Failed requests are shown, and make the exit code non-zero.
pub fn execute(options: &Options) -> anyhow::Result<ExitCode> {
    let data = tempfile::Builder::new()
        .prefix("hayrack-bench-")
        .tempdir_in(&options.data)
        .with_context(|| format!("could not make a folder in {}", options.data.display()))?;
    let s3d = match &options.s3d {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("s3d"),
    };
    let mut servers = vec![Server::hayrack(&s3d, &data.path().join("hayrack"))?];
    if let Some(command) = &options.peer_command {
        servers.push(Server::peer(command, &data.path().join("peer"))?);
    }
    let rows = measure(options, &servers)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", table::render(&servers, &rows));
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

fn measure(options: &Options, servers: &[Server]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for step in plan::steps(options.seconds)? {
        match step {
            Step::Load {
                name,
                load,
                figure,
                shown,
            } => {
                let mut reports = Vec::new();
                for server in servers {
                    // What one server left unwritten must not slow the next one down.
                    nix::unistd::sync();
                    let report = load::run(&server.target, &load)?;
                    eprint!("{}: {report}", server.name);
                    reports.push(report);
                }
                let failed = reports.iter().any(|report| report.errors > 0);
                if shown || failed {
                    let figures = reports.iter().map(figure.value).collect();
                    rows.push(Row {
                        name,
                        unit: figure.unit,
                        figures,
                        reports,
                    });
                }
            }
            Step::PeakMemory { name } => {
                let figures = servers
                    .iter()
                    .map(Server::peak_memory)
                    .collect::<Result<_, _>>()?;
                rows.push(Row {
                    name,
                    unit: "MiB",
                    figures,
                    reports: Vec::new(),
                });
            }
        }
    }
    Ok(rows)
}
