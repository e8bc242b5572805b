//! What every command that calls the daemon takes.

use std::path::PathBuf;

use clap::Args;

/// Where the daemon is, and how to answer.
#[derive(Debug, Args)]
pub struct Call {
    /// The daemon's admin socket
    #[arg(
        long,
        value_name = "PATH",
        env = "VOLUMED_ADMIN",
        default_value = "data/volumed/admin.sock"
    )]
    pub socket: PathBuf,
    /// Print JSON, sizes in bytes
    #[arg(long)]
    pub json: bool,
}
