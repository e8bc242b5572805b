//! What is mounted and what waits to be uploaded, as the staging folders tell it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fused_fs::upload::{self, Plan};
use serde::{Deserialize, Serialize};

use crate::staging;

/// The file in a session's folder that says where it is mounted.
pub const MOUNTED: &str = "mounted";
/// The file in a session's folder that says how uploads go, as JSON.
pub const UPLOADS: &str = "uploads";

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
    /// Where the bytes that changed are, at their own offsets behind `start`; nothing when only what is stored
    /// beside the bytes did. Beside it is what is known of it, in a file whose name ends in `.journal`.
    pub staged: Option<PathBuf>,
    /// Where the file's first byte lies there: other files may have been before it.
    #[serde(default)]
    pub start: u64,
    /// How its upload goes; nothing when none has begun, as long as it is written.
    pub upload: Option<Progress>,
}

/// The uploads of a file since it was as the object.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Progress {
    /// One is under way.
    pub running: bool,
    /// Bytes that the last one has sent.
    pub sent: u64,
    /// Bytes that it has to send.
    pub total: u64,
    /// When the first one began, in seconds since 1970.
    pub since: u64,
    /// How many began.
    pub attempts: u32,
    /// Why the last one that ended failed.
    pub error: Option<String>,
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
                waiting: waiting(&session, alive)?,
            };
            if status.mounted_at.is_some() || !status.waiting.is_empty() {
                found.push(status);
            }
        }
    }
    Ok(found)
}

fn waiting(session: &Path, alive: bool) -> io::Result<Vec<Waiting>> {
    let mut found = Vec::new();
    let mut uploads = uploads(session, alive)?;
    for (recovered, staged) in staging::journals(session)? {
        let Some(recovered) = recovered else {
            continue;
        };
        let plan = upload::plan(&recovered.stage, recovered.headers_changed, false);
        if plan != Plan::Nothing {
            let upload = uploads.remove(&recovered.key);
            found.push(Waiting {
                key: recovered.key,
                size: recovered.stage.size(),
                changed: recovered.stage.changes().total(),
                staged: Some(staged),
                start: recovered.start,
                upload: upload.and_then(|it| it.upload),
            });
        }
    }
    // Those of which no bytes are staged: what is stored beside the bytes changed.
    found.extend(uploads.into_values().filter(|it| it.changed == 0));
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

/// How uploads go, by key, as the process says; nothing when it has ended.
fn uploads(session: &Path, alive: bool) -> io::Result<BTreeMap<String, Waiting>> {
    if !alive {
        return Ok(BTreeMap::new());
    }
    let text = match fs::read(session.join(UPLOADS)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    // A program of another version may have written something else.
    let uploads: Vec<Waiting> = serde_json::from_slice(&text).unwrap_or_default();
    Ok(uploads.into_iter().map(|it| (it.key.clone(), it)).collect())
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
