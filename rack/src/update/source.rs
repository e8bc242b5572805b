//! Where an update comes from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rack_model::models::Arch;
use serde::Deserialize;

use crate::machine::{AskError, Machine};

/// Where a node gets an update that is a file of this machine.
const INBOX: &str = "/var/tmp/hayrack-update";
const MANIFEST: &str = "update.toml";

/// The manifest of an update, with its root beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// An address that the nodes reach.
    Url(String),
}

/// Why there is no update.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no manifest.
    #[error("{0} is no manifest of an update: {1}; name the update.toml that `rack image` made")]
    Malformed(String, toml::de::Error),
    /// The root's name leads elsewhere.
    #[error("{0} names the root {1:?}, which is no file beside it")]
    Root(String, String),
    /// A node could not fetch or take it.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// What is read here of a manifest; the nodes check all of it.
#[derive(Deserialize)]
pub struct Manifest {
    /// Which version it is.
    pub version: String,
    /// For which machines.
    pub arch: Arch,
    /// The root's file, beside the manifest.
    pub root: String,
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        Ok(if is_url {
            Self::Url(text.to_owned())
        } else {
            Self::File(text.into())
        })
    }
}

impl Source {
    /// What it says; an address is read by `machine`, which has to reach it anyway.
    pub fn manifest(&self, machine: Machine<'_>) -> Result<Manifest, SourceError> {
        match self {
            Self::File(path) => read(path),
            Self::Url(url) => {
                let words = [
                    "curl",
                    "--fail",
                    "--silent",
                    "--show-error",
                    "--location",
                    "--max-time",
                    "60",
                    "--",
                    url,
                ];
                parse(url, &machine.text(&words)?)
            }
        }
    }

    /// Brings it to a node; what the node's own command is given then.
    pub fn bring(&self, machine: Machine<'_>) -> Result<String, SourceError> {
        let path = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::File(path) => path,
        };
        let root = read(path)?.root;
        machine.text(&["mkdir", "-p", INBOX])?;
        copy(machine, &path.with_file_name(&root), &root)?;
        copy(machine, path, MANIFEST)?;
        Ok(format!("{INBOX}/{MANIFEST}"))
    }
}

fn read(path: &Path) -> Result<Manifest, SourceError> {
    let text = fs::read_to_string(path).map_err(|source| SourceError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let name = path.display().to_string();
    let manifest = parse(&name, &text)?;
    let is_beside = !manifest.root.starts_with(['-', '.'])
        && !manifest.root.contains('/')
        && !manifest.root.is_empty();
    if !is_beside {
        return Err(SourceError::Root(name, manifest.root));
    }
    Ok(manifest)
}

fn parse(name: &str, text: &str) -> Result<Manifest, SourceError> {
    toml::from_str(text).map_err(|error| SourceError::Malformed(name.to_owned(), error))
}

fn copy(machine: Machine<'_>, from: &Path, to: &str) -> Result<(), SourceError> {
    let file = File::open(from).map_err(|source| SourceError::Unreadable {
        path: from.to_owned(),
        source,
    })?;
    let of = format!("of={INBOX}/{to}");
    machine.text_with(
        &["dd", &of, "bs=1M", "status=none", "conv=fsync"],
        Some(file),
    )?;
    Ok(())
}
