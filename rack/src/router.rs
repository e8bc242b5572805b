//! `rack router`: the router's configuration, written to a folder.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use openwrt::{File, RenderError, Rendered, SecretName, Secrets};
use rack_model::Rack;
use rack_model::names::{Label, NameError};
use serde::Serialize;

use crate::call::{Call, OpenError};
use crate::print;
use crate::secrets::{IdentityArgs, ReadError, Reader, UnsealError, Vault};

/// Nobody but the owner: keys are among the files.
const FOLDER_MODE: u32 = 0o700;

/// `rack router`
#[derive(Debug, Args)]
pub struct RouterArgs {
    /// Where to write it: a folder that is not there yet, or empty
    #[arg(long, value_name = "DIR", default_value = "router")]
    output: PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// A secret has a name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is unknown which secrets are kept.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// A secret cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The rack, or a secret, lacks something.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Something is there already.
    #[error("{} is not empty: remove it, or name another folder with --output", .0.display())]
    NotEmpty(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be printed.
    #[error("cannot print what was written: {0}")]
    Print(io::Error),
}

/// What was written where.
#[derive(Debug, Serialize)]
struct Written {
    folder: PathBuf,
    files: Vec<String>,
    target: String,
}

/// `rack router`
pub fn run(call: &Call, args: &RouterArgs) -> Result<(), RouterError> {
    let (path, rack) = (call.path()?, call.rack()?);
    let secrets = secrets(&Reader::new(Vault::beside(&path), &args.identity)?)?;
    let rendered = openwrt::render(&rack, &secrets)?;
    let folder = &args.output;
    check_empty(folder)?;
    let files = files(&rack, &rendered);
    for (name, text, mode) in &files {
        let path = folder.join(name);
        write(&path, text, *mode).map_err(|source| RouterError::Write { path, source })?;
    }
    let written = Written {
        folder: folder.clone(),
        files: files.into_iter().map(|(name, ..)| name).collect(),
        target: rendered.build.target,
    };
    print::answer(call.json, &written, || shown(&written)).map_err(RouterError::Print)
}

/// Those that are kept; which are needed is the router's to say.
fn secrets(reader: &Reader<'_>) -> Result<Secrets, RouterError> {
    let mut secrets = Secrets::default();
    for name in SecretName::ALL {
        let label: Label = name.as_str().parse()?;
        if let Some(value) = reader.get(&label)? {
            secrets = secrets.with(name, value);
        }
    }
    Ok(secrets)
}

/// All that is written: names below the folder, texts and modes.
fn files(rack: &Rack, rendered: &Rendered) -> Vec<(String, String, u32)> {
    let below = |folder: &str, file: &File| {
        let name = format!("{folder}/{}", file.path);
        (name, file.text.clone(), file.mode.bits())
    };
    let router = rendered.router.iter().map(|file| below("files", file));
    let rented = rendered.rented.iter().map(|file| below("rented", file));
    let mut files: Vec<_> = router.chain(rented).collect();
    let build = format!("{}\n", rendered.build);
    files.push(("build".to_owned(), build, 0o644));
    files.push(("s3d.toml".to_owned(), openwrt::s3d_settings(rack), 0o644));
    files
}

fn check_empty(folder: &Path) -> Result<(), RouterError> {
    // Whatever else is in the way is met when the first file is written.
    let has_entries = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if has_entries {
        return Err(RouterError::NotEmpty(folder.to_owned()));
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut folders = DirBuilder::new();
    folders.recursive(true).mode(FOLDER_MODE).create(folder)?;
    let mut file = OpenOptions::new();
    file.write(true).create_new(true).mode(mode);
    file.open(path)?.write_all(text.as_bytes())
}

fn shown(written: &Written) -> String {
    let folder = written.folder.display();
    format!(
        "{} files are in {folder}\n\
         Keys are among them: remove the folder once the image is on the router.\n\
         In the folder of OpenWrt's image builder for {}:\n    FILES=$(realpath {folder})/files sh {folder}/build",
        written.files.len(),
        written.target
    )
}
