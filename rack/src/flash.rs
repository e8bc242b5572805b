//! `rack flash`: writes an image to a card or disk of this machine.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use os_image::flash::{CopyError, Device, DeviceError, Pass, copy};

use crate::call::{Call, OpenError};
use crate::terminal;

/// What is written where.
#[derive(Debug, Args)]
pub struct FlashArgs {
    /// The node that will start from it
    node: String,
    /// The card or disk, whole, like /dev/sdb; all that is on it is lost
    device: PathBuf,
    /// The image that `rack image` built
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Why it was not written.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The node is none of its.
    #[error("the rack {rack} has no node {node}; `rack show` lists its nodes")]
    NoNode {
        /// The rack.
        rack: String,
        /// What was asked for.
        node: String,
    },
    /// There is no image.
    #[error("cannot read {}: {source}; `rack image` builds one", .path.display())]
    Image {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The disk may not be written.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Nobody can be asked.
    #[error("cannot ask whether the disk may be overwritten: {0}; --yes says that it may")]
    Ask(io::Error),
    /// It was not agreed to.
    #[error("nothing was written")]
    Declined,
    /// It was not written.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Writes it, and reads it back.
pub fn run(call: &Call, args: &FlashArgs) -> Result<(), FlashError> {
    let rack = call.rack()?;
    if rack.node(&args.node).is_none() {
        return Err(FlashError::NoNode {
            rack: rack.name.to_string(),
            node: args.node.clone(),
        });
    }
    let metadata = std::fs::metadata(&args.image).map_err(|source| FlashError::Image {
        path: args.image.clone(),
        source,
    })?;
    let device = Device::unused(&args.device, metadata.len())?;
    if !args.yes && !agrees(&device)? {
        return Err(FlashError::Declined);
    }
    copy(&args.image, &device.path, |pass, done| {
        show(pass, done, metadata.len());
    })?;
    println!(
        "{} is written: put it into {}",
        device.path.display(),
        args.node
    );
    Ok(())
}

fn agrees(device: &Device) -> Result<bool, FlashError> {
    let gigabytes = device.bytes / 1_000_000_000;
    let question = format!(
        "All that is on {} ({}, {gigabytes} GB) will be lost. Write the image? (yes/no)",
        device.path.display(),
        device.model
    );
    Ok(terminal::ask(&question).map_err(FlashError::Ask)? == "yes")
}

/// How far it is, for a person who watches.
fn show(pass: Pass, done: u64, all: u64) {
    if !io::stderr().is_terminal() {
        return;
    }
    let what = match pass {
        Pass::Write => "written",
        Pass::Verify => "read back",
    };
    let _ = write!(
        io::stderr(),
        "\r{} of {} MiB {what}  ",
        done >> 20,
        all >> 20
    );
    if done == all {
        let _ = writeln!(io::stderr());
    }
}
