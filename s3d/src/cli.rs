//! The command line.

use clap::{Args, Parser, Subcommand};

use s3d::config::Source;
use s3d::maintenance::BucketCommand;
use s3d::{admin, drain, quickstart};
use volumed_daemon::ConfigFile;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; doctor found nothing wrong
  1  refused or failed; the sentence on stderr says why; doctor found a fault
  2  the command line is wrong
  6  doctor found nothing worse than warnings";

/// Serves S3: each bucket on a volume of its own
#[derive(Debug, Parser)]
#[command(name = "s3d", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the S3 server
    Serve(ServeArgs),
    /// Run both daemons on loopback over one directory, with a first bucket and its keys
    Quickstart(quickstart::Options),
    /// Make users and operators, set passwords
    User(admin::UserArgs),
    /// Back up, restore or rotate this node's secrets
    Secrets(admin::SecretsArgs),
    /// Give this node's buckets to the other nodes, and take none
    Drain(drain::DrainArgs),
    /// Check or repair a bucket while the server is stopped
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Say what is wrong with the server that has these settings, and the command that cures it
    Doctor {
        #[command(flatten)]
        args: ServeArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script
    Completions {
        /// The shell it is for
        shell: clap_complete::Shell,
    },
    /// Print a manual page (roff)
    Man {
        /// The page of a command [default: the page of s3d itself]
        command: Option<String>,
    },
}

/// Each flag may be left out if the environment or the configuration file has it.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub config: ConfigFile,
    #[command(flatten)]
    pub settings: Source,
}
