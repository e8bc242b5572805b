//! `rack flash`: writes an image to a card or disk of this machine.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use os_image::flash::{self, CopyError, Device, DeviceError, Pass, copy};
use rack_model::Node;
use rack_model::models::Boot;

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
    #[error(transparent)]
    Image(#[from] flash::ImageError),
    /// It is for other machines.
    #[error(
        "{} is for {}, and {node} is a {model}: build one with `rack image --arch {arch}`",
        .image.display(), machines(*.boot)
    )]
    Machine {
        /// The image.
        image: PathBuf,
        /// How the machines start that it is for.
        boot: Boot,
        /// The node.
        node: String,
        /// What the node is.
        model: String,
        /// What Debian calls such machines.
        arch: &'static str,
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
    let node = rack.node(&args.node).ok_or_else(|| FlashError::NoNode {
        rack: rack.name.to_string(),
        node: args.node.clone(),
    })?;
    check_machine(&args.image, node)?;
    let bytes = image_bytes(&args.image)?;
    let device = Device::unused(&args.device, bytes)?;
    if !args.yes && !agrees(&device)? {
        return Err(FlashError::Declined);
    }
    copy(&args.image, &device.path, |pass, done| {
        show(pass, done, bytes);
    })?;
    println!(
        "{} is written: put it into {}",
        device.path.display(),
        args.node
    );
    Ok(())
}

/// Refuses an image that the node could not start from.
fn check_machine(image: &Path, node: &Node) -> Result<(), FlashError> {
    let boot = flash::boot_of(image)?;
    if boot == node.model.boot {
        return Ok(());
    }
    Err(FlashError::Machine {
        image: image.to_owned(),
        boot,
        node: node.name.to_string(),
        model: node.model.title.clone(),
        arch: node.model.arch.as_str(),
    })
}

fn machines(boot: Boot) -> &'static str {
    match boot {
        Boot::RaspberryPi => "Raspberry Pis",
        Boot::Uefi => "PCs with UEFI",
    }
}

fn image_bytes(image: &Path) -> Result<u64, FlashError> {
    let metadata = std::fs::metadata(image);
    let metadata = metadata.map_err(|source| flash::ImageError::Unreadable {
        path: image.to_owned(),
        source,
    });
    Ok(metadata?.len())
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

#[cfg(test)]
mod tests {
    use rack_model::Rack;

    use super::*;

    /// The beginning of a disk with a partition of this name, and one that every image has.
    fn image(path: &Path, partition: &str) {
        let mut bytes = vec![0; 1024 + 128 * 128];
        bytes[512..520].copy_from_slice(b"EFI PART");
        for (at, name) in [(1024, partition), (1152, "hayrack-state")] {
            let units = name.encode_utf16().flat_map(u16::to_le_bytes);
            for (place, byte) in bytes[at + 56..].iter_mut().zip(units) {
                *place = byte;
            }
        }
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn an_image_for_other_machines_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.img");
        let rack = Rack::parse("rack.toml", include_str!("../rack.toml")).unwrap();
        image(&path, "hayrack-boot-a");
        check_machine(&path, &rack.nodes[0]).unwrap();
        image(&path, "hayrack-boot");
        let refused = check_machine(&path, &rack.nodes[0])
            .unwrap_err()
            .to_string();
        let end = "is for PCs with UEFI, and node-1 is a Raspberry Pi 5, 8 GB: \
            build one with `rack image --arch arm64`";
        assert!(refused.ends_with(end), "{refused}");
    }
}
