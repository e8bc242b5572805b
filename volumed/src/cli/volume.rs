//! The command line of volumes.

use std::str::FromStr;

use clap::{Args, Subcommand};
use volumed_client::admin::AutoGrow;
use volumed_core::size;

use super::call::Call;
use super::replicas::Replicas;
use crate::kernel::KernelDevice;

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
        /// Copies of every extent; auto: as many as there are nodes that are not drained, at most 3
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
    /// Compare what the replicas of a volume, or of all, hold, while clients use it; fails if some differ
    #[command(after_help = AFTER_VERIFY)]
    Verify(VerifyArgs),
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
    /// Have more or fewer copies of every extent of a volume: made or given up in the background while clients use it
    Replicas {
        /// The volume's name
        name: String,
        /// auto: as many as there are nodes that are not drained, at most 3, also when that changes
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

const AFTER_VERIFY: &str = "\
Replicas that are in sync hold the same at any moment; one that is stale is passed over. Without --deep their
checksums are compared, which takes a thousandth of the time, and finds every replica that was written in another
way; with it the blocks are read, too, which also finds what rotted. Damaged blocks are made good by
`volumed scrub start`, or by --repair, which also makes those equal that match their checksums and differ.

It goes on when this command is ended: the same command shows how far it is, and what it found. ALONE are extents
with fewer than two replicas in sync, UNKNOWN regions of 4 MiB of which a replica did not answer.";

/// What to verify.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct VerifyArgs {
    /// The volume's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub name: Option<String>,
    /// Verify every volume
    #[arg(long)]
    pub all: bool,
    /// Read the blocks, too, and compare them with their checksums
    #[arg(long)]
    pub deep: bool,
    /// Have replicas that differ hold what the one nearest to the head holds and is not damaged
    #[arg(long)]
    pub repair: bool,
    /// End a verification that is under way
    #[arg(long, conflicts_with_all = ["deep", "repair"])]
    pub cancel: bool,
    /// Wait no longer once no node has compared anything for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "120")]
    pub patience: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub call: Call,
}
