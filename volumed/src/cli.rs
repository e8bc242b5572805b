//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use volumed_client::admin::AutoGrow;
use volumed_core::size;
use volumed_daemon::ConfigFile;
use volumed_meta::Location;

use crate::commands::Replicas;
use crate::config::Source;
use crate::kernel::KernelDevice;

mod cluster;
pub use cluster::{ClusterCommand, InitArgs, JoinArgs, NodeCommand};

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
    /// Volumes: create, list, show, damage, grow, quota, export, unexport, delete
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
    /// The nodes of the cluster: list, remove
    Node {
        /// What to do with them.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Make a cluster of this node, or have it join one: init, token, join, show
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
the copy does not record. Give the settings that `volumed serve` is started with.";

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

/// How a volume grows by itself.
#[derive(Debug, Clone, Copy, Args)]
pub struct Growth {
    /// Grow by itself when less than this share of the size is free, in percent [default: 20]
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "20", requires = "max_size")]
    pub auto_grow: Option<u8>,
    /// The size up to which the volume grows by itself
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_size: Option<u64>,
}

impl Growth {
    /// As the daemon is asked for it.
    pub fn asked(self) -> Option<AutoGrow> {
        let free_percent = self.auto_grow.unwrap_or(20);
        self.max_size.map(|max_size| AutoGrow {
            free_percent,
            max_size,
        })
    }
}

/// What a volume may hold, in bytes, if that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota(pub Option<u64>);

impl FromStr for Quota {
    type Err = size::SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        size::parse(text).map(|size| Self(Some(size)))
    }
}

/// Commands about volumes.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum VolumeCommand {
    /// Create a volume; it takes no space until it is written
    Create {
        /// 1 to 128 of a-z A-Z 0-9 . _ -, not starting with a dot or a dash
        name: String,
        /// Virtual size, like 10GiB (without a unit: bytes); at most 1EiB, which takes no space until it is written
        #[arg(long, value_parser = size::parse, default_value = "1EiB")]
        size: u64,
        /// Copies of every extent
        #[arg(long, value_name = "1|2|3|auto", default_value = "1")]
        replicas: Replicas,
        #[command(flatten)]
        growth: Growth,
        /// What it may hold in the pool, like 5GiB, one copy counted: writes that need more are refused
        #[arg(long, value_parser = size::parse)]
        quota: Option<u64>,
        #[command(flatten)]
        call: Call,
    },
    /// List every volume
    List {
        #[command(flatten)]
        call: Call,
    },
    /// Show one volume
    Show {
        /// The volume's name
        name: String,
        #[command(flatten)]
        call: Call,
    },
    /// List the blocks of a volume that are damaged or lost: reading them is an error until they are written
    /// whole or trimmed
    Damage {
        /// The volume's name
        name: String,
        #[command(flatten)]
        call: Call,
    },
    /// Make a volume larger; connected clients may use the new size at once
    Grow {
        /// The volume's name
        name: String,
        /// The new virtual size, like 20GiB; not below the size now
        #[arg(value_parser = size::parse, required_unless_present = "max_size")]
        size: Option<u64>,
        #[command(flatten)]
        growth: Growth,
        #[command(flatten)]
        call: Call,
    },
    /// Set what a volume may hold in the pool
    Quota {
        /// The volume's name
        name: String,
        /// Like 5GiB, one copy of every extent counted, or none; below what it holds, it takes no more
        #[arg(value_name = "SIZE|none")]
        quota: Quota,
        #[command(flatten)]
        call: Call,
    },
    /// Have more copies of every extent of a volume; they are made in the background while clients use it
    Replicas {
        /// The volume's name
        name: String,
        /// No fewer than there are; auto: as many as there are nodes, at most 3
        #[arg(value_name = "1|2|3|auto")]
        replicas: Replicas,
        #[command(flatten)]
        call: Call,
    },
    /// Make a volume a block device of this machine, that follows its size; needs root
    Attach(Box<AttachArgs>),
    /// Free the block device that a volume is; needs root
    Detach(DetachArgs),
    /// Attach a volume for an NBD client that connects again by itself, as qemu does
    #[command(after_help = AFTER_EXPORT)]
    Export(ExportArgs),
    /// Take an exported volume back: its clients are disconnected, and everything is made durable
    Unexport {
        /// The volume's name
        name: String,
        #[command(flatten)]
        call: Call,
    },
    /// Delete a volume and everything in it
    Delete {
        /// The volume's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        call: Call,
    },
}

const AFTER_ATTACH: &str = "\
A process stays, which connects the device again when the daemon was restarted, and when the volume grows
makes the device larger and, with resize2fs or xfs_growfs, the ext4 or xfs that is mounted from it. If it is
ended while the device is being used, the device stays: the same command takes it over. The unit
volumed-attach@nbd0.service runs it at boot. Needs the kernel's nbd module (modprobe nbd), Linux 5.14 or later.";

/// How to make a volume a block device.
#[derive(Debug, Args)]
#[command(after_help = AFTER_ATTACH)]
pub struct AttachArgs {
    /// The volume's name
    pub name: String,
    /// The device, /dev/nbdN
    pub device: KernelDevice,
    /// Stay in the foreground; SIGTERM frees the device, unless it is being used
    #[arg(long)]
    pub foreground: bool,
    /// The device's sector size: 512 only for what was made on such a device
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = sector_size)]
    pub block_size: u32,
    /// For how many seconds requests wait for a daemon that is away, before they fail
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub wait: u64,
    /// Attach the volume even if somebody else has it, who loses it
    #[arg(long)]
    pub take_over: bool,
    /// Leave the terminal once it is attached.
    #[arg(long, hide = true)]
    pub background: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub call: Call,
}

fn sector_size(text: &str) -> Result<u32, &'static str> {
    match text {
        "512" => Ok(512),
        "4096" => Ok(4096),
        _ => Err("a sector has 512 or 4096 bytes"),
    }
}

/// Which block device to free.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// The volume's name, or the device, /dev/nbdN
    pub target: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub call: Call,
}

const AFTER_EXPORT: &str = "\
The address outlives restarts of volumed, and of nothing else: once something that was written and not
flushed may be lost (the machine was started anew, a disk was mounted anew or failed), it is refused for good,
and the client sees an I/O error, never old data. A client that asks for the volume's plain name is not
told; use that only for what is flushed before it ends.";

/// How to export a volume.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The volume's name
    pub name: String,
    /// Do it even if somebody else has it attached, who loses it
    #[arg(long)]
    pub take_over: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub call: Call,
}
