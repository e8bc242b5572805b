//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use s3d::maintenance::BucketCommand;
use s3d::{admin, quickstart};
use s3d_accounts::SignUpPolicy;

/// Serves S3: each bucket on a volume of its own
#[derive(Debug, Parser)]
#[command(name = "s3d", version, arg_required_else_help = true)]
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
    /// Check or repair a bucket while the server is stopped
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Print a completion script
    Completions {
        /// The shell it is for
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Each flag may be left out if the configuration file has it.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// The folder of the server's own state: its secrets and its lock
    #[arg(long, value_name = "DIR", env = "S3D_DATA")]
    pub data: Option<PathBuf>,
    /// The configuration file (TOML); flags win over it
    #[arg(long, value_name = "FILE", env = "S3D_CONFIG")]
    pub config: Option<PathBuf>,
    /// The admin socket of this node's volumed
    #[arg(long, value_name = "SOCKET", env = "S3D_VOLUMED")]
    pub volumed: Option<PathBuf>,
    /// The metadata store, the same as volumed's
    #[arg(long, value_name = "FILE", env = "S3D_STORE")]
    pub store: Option<PathBuf>,
    /// Where S3 is served [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS", env = "S3D_S3_LISTEN")]
    pub s3_listen: Option<SocketAddr>,
    /// Where the REST API is served [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDRESS", env = "S3D_API_LISTEN")]
    pub api_listen: Option<SocketAddr>,
    /// What the hosts end in: s3.<DOMAIN>, <bucket>.<namespace>.s3.<DOMAIN> [default: localhost]
    #[arg(long, value_name = "DOMAIN", env = "S3D_DOMAIN")]
    pub domain: Option<String>,
    /// What clients are told as region; they may sign for any [default: us-east-1]
    #[arg(long, value_name = "REGION", env = "S3D_REGION")]
    pub region: Option<String>,
    /// Threads that serve requests [default: 1]
    #[arg(long, value_name = "N", env = "S3D_WORKERS")]
    pub workers: Option<usize>,
    /// Who may make an account: open to all, or closed but for the invited [default: open]
    #[arg(long, value_name = "open|closed", env = "S3D_SIGN_UP")]
    pub sign_up: Option<SignUpPolicy>,
}
