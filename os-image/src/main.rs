//! `node-image`: what goes beside an image, for the script that builds it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use os_image::{draw_update_key, manifest, sbom};

/// Makes what goes beside a node image.
#[derive(Debug, Parser)]
#[command(name = "node-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the signed manifest of a root
    Manifest {
        /// The root
        root: PathBuf,
        /// Its version
        #[arg(long)]
        version: String,
        /// Debian's name of the machines that it is for
        #[arg(long)]
        arch: String,
        /// The key that updates are signed with; drawn if there is none
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Print the bill of materials of a root, as SPDX
    Sbom {
        /// Its /var/lib/dpkg/status
        status: PathBuf,
        /// What the root is called
        #[arg(long)]
        name: String,
        /// Its version
        #[arg(long)]
        version: String,
        /// When its sources were written, in seconds since 1970
        #[arg(long, env = "SOURCE_DATE_EPOCH")]
        created: i64,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("node-image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<String> {
    Ok(match command {
        Command::Manifest {
            root,
            version,
            arch,
            key,
        } => toml::to_string(&manifest(&root, &version, &arch, &draw_update_key(&key)?)?)?,
        Command::Sbom {
            status,
            name,
            version,
            created,
        } => sbom(&name, &version, &std::fs::read_to_string(status)?, created)?,
    })
}
