//! What is mounted and what waits to be uploaded, as the staging folders tell it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fused_fs::upload::{self, Plan};
use serde::{Deserialize, Serialize};

use crate::staging;

/// The file in a session's folder that says where it is mounted.
pub const MOUNTED: &str = "mounted";

/// A session of `fused mount`, alive or not.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Status {
    /// The bucket and the server.
    pub source: String,
    /// Where it is mounted; nothing when the session has ended.
    pub mounted_at: Option<PathBuf>,
    /// Files with changes that the server does not have.
    pub waiting: Vec<Waiting>,
}

/// A file that waits to be uploaded.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Waiting {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// How many bytes of it changed.
    pub changed: u64,
}

/// All sessions that staged in a folder.
pub fn sessions(folder: &Path) -> io::Result<Vec<Status>> {
    let mut found = Vec::new();
    for target in folders(folder)? {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        for session in folders(&target)? {
            let alive = staging::is_alive(&session)?;
            let at = fs::read_to_string(session.join(MOUNTED)).ok();
            let status = Status {
                source: name.clone().into_owned(),
                mounted_at: at.filter(|_| alive).map(PathBuf::from),
                waiting: waiting(&session)?,
            };
            if status.mounted_at.is_some() || !status.waiting.is_empty() {
                found.push(status);
            }
        }
    }
    Ok(found)
}

fn waiting(session: &Path) -> io::Result<Vec<Waiting>> {
    let mut found = Vec::new();
    for (recovered, _) in staging::journals(session)? {
        let Some(recovered) = recovered else {
            continue;
        };
        let plan = upload::plan(&recovered.stage, recovered.headers_changed, false);
        if plan != Plan::Nothing {
            found.push(Waiting {
                key: recovered.key,
                size: recovered.stage.size(),
                changed: recovered.stage.changes().total(),
            });
        }
    }
    Ok(found)
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
