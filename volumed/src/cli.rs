//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use volumed_core::size;
use volumed_daemon::ConfigFile;
use volumed_meta::Location;

use crate::config::Source;

mod call;
mod cluster;
mod replicas;
mod volume;
pub use call::Call;
pub use cluster::{ClusterCommand, InitArgs, JoinArgs, NodeCommand, RecoverArgs};
pub use volume::{AttachArgs, DetachArgs, ExportArgs, VerifyArgs, VolumeCommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; the sentence on stderr says why
  2  the command line or a setting is wrong
  3  no such volume, disk or node
  4  the volume, disk or node exists already, is in use, has another owner, or needs none of this
  5  the daemon cannot be reached
  6  doctor found nothing worse than warnings";

/// The volume daemon of Hayrack, and the commands that talk to it.
#[derive(Debug, Parser)]
#[command(name = "volumed", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    Serve(Box<ServeArgs>),
    /// The pool: all disks together
    Pool {
        /// What to do with it.
        #[command(subcommand)]
        command: PoolCommand,
    },
    /// The disks of the pool
    Disk {
        /// What to do with them.
        #[command(subcommand)]
        command: DiskCommand,
    },
    /// Volumes: create, list, show, damage, verify, grow, quota, export, unexport, delete
    Volume {
        /// What to do with them.
        #[command(subcommand)]
        command: VolumeCommand,
    },
    /// Compare everything on the disks with its checksums: start, status, pause
    Scrub {
        /// What to do with it.
        #[command(subcommand)]
        command: ScrubCommand,
    },
    /// The metadata store: show, back up, restore
    Meta {
        /// What to do with it.
        #[command(subcommand)]
        command: MetaCommand,
    },
    /// The nodes of the cluster: list, drain, remove
    Node {
        /// What to do with them.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Make a cluster of this node, or have it join one: init, token, join, recover, show
    Cluster {
        /// What to do with it.
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Say what is wrong with the daemon, and the command that cures it
    Doctor {
        /// Where the daemon is.
        #[command(flatten)]
        call: Call,
    },
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page (roff)
    Man {
        /// The page of a command, as in "volume create" [default: the page of volumed itself]
        command: Option<String>,
    },
}

/// How to run the daemon. A flag wins over the environment, and that over the configuration file.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where the settings are.
    #[command(flatten)]
    pub config: ConfigFile,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Source,
}

/// Commands about the pool.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Show capacity and use
    Show {
        #[command(flatten)]
        #[allow(missing_docs)]
        call: Call,
    },
}

/// Commands about disks.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum DiskCommand {
    /// List every disk
    List {
        #[command(flatten)]
        call: Call,
    },
    /// Show one disk
    Show {
        /// The disk's id, the beginning of it, or its directory
        disk: String,
        #[command(flatten)]
        call: Call,
    },
    /// Take one more directory into the pool, for good and at once
    Add {
        /// The directory, on a file system of its own; made when it does not exist
        path: PathBuf,
        /// What volumes may hold on it, like 500GiB [default: what its file system offers]
        #[arg(long, value_parser = size::parse)]
        capacity: Option<u64>,
        /// What stays free of its file system [default: 5 % or 1GiB, whichever is smaller]
        #[arg(long, value_parser = size::parse)]
        reserve: Option<u64>,
        #[command(flatten)]
        call: Call,
    },
    /// Move what is on a disk to the others, and place nothing more on it
    #[command(after_help = AFTER_DRAIN)]
    Drain {
        /// The disk's id, the beginning of it, or its directory
        disk: String,
        /// Place extents on it again; what was moved stays where it is
        #[arg(long)]
        cancel: bool,
        /// Show how far it is until everything is moved
        #[arg(long, conflicts_with = "cancel")]
        wait: bool,
        #[command(flatten)]
        call: Call,
    },
    /// Take a disk out of the pool that holds nothing, or that is dead
    #[command(after_help = AFTER_REMOVE)]
    Remove {
        /// The disk's id, the beginning of it, or its directory
        disk: String,
        /// Do it although it failed or is missing, and lose what only it holds
        #[arg(long)]
        accept_loss: bool,
        #[command(flatten)]
        call: Call,
    },
    /// Take a disk back that failed or was missing
    #[command(after_help = AFTER_RETRY)]
    Retry {
        /// The disk's id, the beginning of it, or its directory
        disk: String,
        #[command(flatten)]
        call: Call,
    },
}

const AFTER_DRAIN: &str = "\
Clients go on meanwhile. Later starts of the daemon go on with it. When everything is moved, `volumed disk
remove` takes the disk out of the pool.";

const AFTER_REMOVE: &str = "\
A disk that failed or is missing and still holds something of volumes is refused, with what would be lost.
After --accept-loss, reading that is an error until it is written whole or trimmed; `volumed volume damage`
says where. If the disk turns up after all, `volumed disk add` brings back what was not replaced meanwhile.

A disk that the settings name has to be taken out of them, too: until then each start passes it over.
`volumed disk add` takes it in again.";

const AFTER_RETRY: &str = "\
Connections to volumes that have something on the disk are closed first, as if volumed had been started
anew: what their clients had not flushed may be lost, and they attach again. Every region that was being
written is checked when it is used.";

/// Commands about scrubs.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum ScrubCommand {
    /// Scrub every disk now, or go on where it was paused
    Start {
        #[command(flatten)]
        call: Call,
    },
    /// Show how far the scrub of each disk is, and how much of each volume is damaged or lost
    Status {
        #[command(flatten)]
        call: Call,
    },
    /// Pause every scrub, also those that would begin by themselves, until it is started again
    Pause {
        #[command(flatten)]
        call: Call,
    },
}

/// Commands about the metadata store.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum MetaCommand {
    /// Show where the store is, and the copies of it on every disk
    Show {
        #[command(flatten)]
        call: Call,
    },
    /// Write a copy of the store to a file
    Backup {
        /// The file to write; it must not exist, and only its owner may read it
        file: PathBuf,
        /// Copy this store's file without asking the daemon, which may be stopped
        #[arg(long, value_name = "FILE")]
        store: Option<Location>,
        #[command(flatten)]
        call: Call,
    },
    /// Put a copy in the store's place, while volumed and s3d are stopped
    Restore(Box<RestoreArgs>),
}

const AFTER_RESTORE: &str = "\
The copies that volumed makes every day are in DISK/meta. The copy is checked, and compared with the
disks and with the store in place, which is kept under another name; an etcd must have none. If they know of anything that the
copy lacks, nothing is done without --accept-loss: after it, the next start removes from the disks what
the copy does not record. Give the settings that `volumed serve` is started with.

In a cluster whose nodes have all lost the store (their folders DATA/etcd), type it on one that kept it: the copy becomes
the store of all its nodes. Disks of other nodes cannot be compared from there, so it asks for --accept-loss.";

/// How to restore the metadata store.
#[derive(Debug, Args)]
#[command(after_help = AFTER_RESTORE)]
pub struct RestoreArgs {
    /// The copy
    pub file: PathBuf,
    /// Do it although disks or store are newer than the copy
    #[arg(long)]
    pub accept_loss: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Configuration file (TOML); flags and environment variables win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Source,
}
