//! `rack image`: builds the image that nodes start from, and the update of the same root.

use std::path::PathBuf;

use clap::Args;
use os_image::{Build, BuildError, Wipe};
use rack_model::Rack;
use rack_model::models::Arch;

use crate::call::{Call, OpenError};

/// What image.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Folder with the daemons' programs for these machines
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
    /// Folder for image, update and bill of materials
    #[arg(long, value_name = "DIR", default_value = "target/image")]
    out: PathBuf,
    /// For the machines of this kind, if the rack has several: amd64 or arm64
    #[arg(long)]
    arch: Option<String>,
    /// For this node alone [default: all of the rack]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Have this node make the rack's cluster; only in the first image of a rack
    #[arg(long, value_name = "NODE")]
    found: Option<String>,
    /// Folder with a file for each node that joins, which holds what `volumed cluster token` printed
    #[arg(long, value_name = "DIR")]
    admissions: Option<PathBuf>,
    /// A disk that may be formatted although it holds something; may be repeated
    #[arg(long, value_name = "NODE:DISK")]
    wipe: Vec<Wipe>,
    /// File of the key that signs updates; drawn if absent [default: update.key in the folder for images]
    #[arg(long, value_name = "FILE")]
    update_key: Option<PathBuf>,
    /// The folder os-image of a checkout of Hayrack
    #[arg(long, value_name = "DIR", default_value = "os-image")]
    scripts: PathBuf,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The rack has machines of several kinds.
    #[error(
        "the rack has machines of several kinds; --arch says for which the image is: amd64 or arm64"
    )]
    Arch,
    /// It was not built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Builds it and prints where it is.
pub fn run(call: &Call, args: &ImageArgs) -> Result<(), ImageError> {
    let rack = call.rack()?;
    let arch = args.arch.clone().map_or_else(|| only_arch(&rack), Ok)?;
    let image = Build {
        scripts: args.scripts.clone(),
        arch,
        programs: args.programs.clone(),
        out: args.out.clone(),
        rack: call.path()?,
        node: args.node.clone(),
        found: args.found.clone(),
        admissions: args.admissions.clone(),
        wipe: args.wipe.clone(),
        update_key: args.update_key.clone(),
    }
    .run()?;
    println!("{}", image.display());
    Ok(())
}

/// What Debian calls the machines of the rack, if all are of one kind.
fn only_arch(rack: &Rack) -> Result<String, ImageError> {
    let mut archs = rack.nodes.iter().map(|node| node.model.arch);
    let first = archs.next().ok_or(ImageError::Arch)?;
    if archs.any(|other| other != first) {
        return Err(ImageError::Arch);
    }
    Ok(arch_name(first).to_owned())
}

/// What Debian calls such machines.
pub fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::Arm64 => "arm64",
        Arch::Amd64 => "amd64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_of_several_kinds_is_asked_for_which() {
        let text = include_str!("../rack.toml");
        let rack = Rack::parse("rack.toml", text).unwrap();
        assert_eq!(only_arch(&rack).unwrap(), "arm64");
        // No port of the switch feeds the other one.
        let mixed = text.replace("power = \"poe\"", "power = \"supply\"");
        let mixed = mixed.replacen("model = \"pi5-8gb\"", "model = \"odroid-h4-16gb\"", 1);
        let mixed = Rack::parse("rack.toml", &mixed);
        let mixed = mixed.map(|rack| only_arch(&rack));
        assert!(matches!(mixed, Ok(Err(ImageError::Arch))), "{mixed:?}");
    }
}
