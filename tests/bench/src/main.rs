//! `hayrack-bench`: a load generator for any S3 endpoint, and comparisons with peers on the same disk.

mod ask;
mod ceiling;
mod compare;
mod connection;
mod fio;
mod load;
mod mounts;
mod page;
mod plot;
mod process;
mod rack;
mod report;
mod server;
mod sign;
mod size;
mod volumes;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::load::Load;
use crate::sign::Target;
use crate::size::ByteSize;
use crate::work::{Names, Work};

#[derive(Parser)]
#[command(name = "hayrack-bench", version, about = "Measures S3 servers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Puts one kind of load on one endpoint and prints rates and latencies
    Run(Run),
    /// Answers every S3 request alike and stores nothing: the ceiling
    Ceiling(ceiling::Options),
    /// Measures Hayrack and a peer in turn on the same disk and prints ratios
    Compare(compare::Options),
    /// Measures the mount and other mounts in turn on the same Hayrack
    Mounts(mounts::Options),
    /// Measures a volume and a file that nbdkit serves in turn, on a disk and in memory
    Volumes(volumes::Options),
    /// Measures three nodes on this machine: what replicas cost, and what the loss of a node does
    Rack(rack::Options),
}

#[derive(Args)]
struct Run {
    /// Where the server listens
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint: String,
    /// The access key id
    #[arg(long, value_name = "ID", env = "AWS_ACCESS_KEY_ID")]
    access_key: String,
    /// The secret access key
    #[arg(
        long,
        value_name = "SECRET",
        env = "AWS_SECRET_ACCESS_KEY",
        hide_env_values = true
    )]
    secret_key: String,
    /// The region that requests are signed for
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The bucket, which must exist
    #[arg(long, env = "HAYRACK_BUCKET")]
    bucket: String,
    /// What to do; get, head, list and delete work on what a put with the same prefix left
    #[arg(long)]
    work: Work,
    /// The size of an object
    #[arg(long, default_value = "4KiB")]
    size: ByteSize,
    /// Connections, each with one request in flight
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Stop after this time, or when every object had its turn if that comes once
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How many different keys
    #[arg(long, default_value_t = 20_000)]
    objects: usize,
    /// Give every object one turn only; put and delete always do
    #[arg(long)]
    once: bool,
    /// What every key begins with
    #[arg(long, default_value = "bench/")]
    prefix: String,
    /// How keys go on
    #[arg(long, default_value = "counted")]
    names: Names,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => execute(run),
        Command::Ceiling(options) => ceiling::execute(options).map(|()| ExitCode::SUCCESS),
        Command::Compare(options) => compare::execute(&options),
        Command::Mounts(options) => mounts::execute(&options),
        Command::Volumes(options) => volumes::execute(&options),
        Command::Rack(options) => rack::execute(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hayrack-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(run: Run) -> anyhow::Result<ExitCode> {
    let target = Target::new(
        &run.endpoint,
        &run.bucket,
        &run.region,
        run.access_key,
        run.secret_key,
    )?;
    let load = Load {
        work: run.work,
        size: run.size,
        connections: run.connections,
        limit: Duration::try_from_secs_f64(run.seconds).context("--seconds is not a time")?,
        objects: run.objects,
        once: run.once || run.work.is_once(),
        prefix: run.prefix,
        names: run.names,
    };
    let report = load::run(&target, &load)?;
    if run.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
