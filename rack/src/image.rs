//! `rack image`: builds the image that nodes start from, and the update of the same root.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use os_image::{
    AdmissionsError, Build, BuildError, SettingsError, UpdateError, Wanted, Wipe, admissions,
    draw_update_key, image_nodes, settings, update_key,
};
use rack_model::Rack;
use rack_model::models::Arch;
use rack_model::names::NameError;

use crate::call::{Call, OpenError};
use crate::certificate::{self, LineError};
use crate::secrets::{IdentityArgs, ReadError, Reader, UnsealError, Vault};

const AFTER: &str = "\
One image is for all nodes of the rack: each finds itself by its MAC. The one that --found names makes the cluster; the
others wait for `rack admit`, or join by themselves if a token is kept for them, as the secret join-NODE. Secrets are
read with --identity.";

/// What image.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ImageArgs {
    /// Folder with the daemons' programs for these machines
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
    /// Folder for image, update and bill of materials
    #[arg(long, value_name = "DIR", default_value = "target/image")]
    out: PathBuf,
    /// For the machines of this kind, if the rack has several: amd64 or arm64
    #[arg(long)]
    arch: Option<Arch>,
    /// For this node alone [default: all of the rack]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Have this node make the rack's cluster; only in the first image of a rack
    #[arg(long, value_name = "NODE")]
    found: Option<String>,
    /// A disk that may be formatted although it holds something; may be repeated
    #[arg(long, value_name = "NODE:DISK")]
    wipe: Vec<Wipe>,
    /// File of the key that signs updates, drawn with the first image (--found) if absent [default: update.key in the
    /// folder for images]
    #[arg(long, value_name = "FILE", env = "UPDATE_KEY")]
    update_key: Option<PathBuf>,
    /// The folder os-image of a checkout of Hayrack
    #[arg(long, value_name = "DIR", default_value = "os-image")]
    scripts: PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
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
    /// A secret has a name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is unknown which secrets are kept.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// A secret cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is unknown how the router brings certificates.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The key that signs updates cannot be used.
    #[error(transparent)]
    UpdateKey(#[from] UpdateError),
    /// The image would not fit the rack.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its nodes would not come in.
    #[error(transparent)]
    Admissions(#[from] AdmissionsError),
    /// It was not built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Builds it and prints where it is.
pub fn run(call: &Call, args: &ImageArgs) -> Result<(), ImageError> {
    let rack = call.rack()?;
    let reader = Reader::new(Vault::beside(&call.path()?), &args.identity)?;
    let mut wanted = Wanted {
        arch: args.arch.map_or_else(|| only_arch(&rack), Ok)?,
        node: args.node.clone(),
        wipe: args.wipe.clone(),
        update_key: None,
        certificate_line: None,
    };
    let nodes: Vec<&str> = image_nodes(&rack, &wanted)?
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    let admissions = admissions(&nodes, args.found.as_deref(), &tokens(&nodes, &reader)?)?;
    wanted.certificate_line = certificate::line(&rack, &reader)?;
    let key = args.update_key.clone();
    let key = key.unwrap_or_else(|| args.out.join("update.key"));
    // Nodes take updates of the key that their first image has: another one drawn later would lock everybody out.
    let read = if args.found.is_some() {
        draw_update_key(&key)
    } else {
        update_key(&key)
    };
    wanted.update_key = Some(read?.public());
    let image = Build {
        scripts: args.scripts.clone(),
        arch: wanted.arch,
        programs: args.programs.clone(),
        out: args.out.clone(),
        settings: settings(&rack, &wanted)?,
        admissions,
        update_key: key,
    }
    .run()?;
    println!("{}", image.display());
    Ok(())
}

/// What the machines of the rack run, if all are of one kind.
fn only_arch(rack: &Rack) -> Result<Arch, ImageError> {
    let mut archs = rack.nodes.iter().map(|node| node.model.arch);
    let first = archs.next().ok_or(ImageError::Arch)?;
    if archs.any(|other| other != first) {
        return Err(ImageError::Arch);
    }
    Ok(first)
}

/// The tokens that are kept for these nodes.
fn tokens(nodes: &[&str], reader: &Reader<'_>) -> Result<BTreeMap<String, String>, ImageError> {
    let mut tokens = BTreeMap::new();
    for node in nodes {
        if let Some(token) = reader.get(&format!("join-{node}").parse()?)? {
            tokens.insert((*node).to_owned(), token);
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_of_several_kinds_is_asked_for_which() {
        let text = include_str!("../rack.toml");
        let rack = Rack::parse("rack.toml", text).unwrap();
        assert_eq!(only_arch(&rack).unwrap(), Arch::Arm64);
        // No port of the switch feeds the other one.
        let mixed = text.replace("power = \"poe\"", "power = \"supply\"");
        let mixed = mixed.replacen("model = \"pi5-8gb\"", "model = \"odroid-h4-16gb\"", 1);
        let mixed = Rack::parse("rack.toml", &mixed);
        let mixed = mixed.map(|rack| only_arch(&rack));
        assert!(matches!(mixed, Ok(Err(ImageError::Arch))), "{mixed:?}");
    }
}
