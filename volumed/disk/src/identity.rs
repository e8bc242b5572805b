//! `disk.json`: who a disk is.
//!
//! ```json
//! {"format": "hayrack disk", "version": 1, "id": "<32 hex digits>", "checksum": "<8 hex digits>"}
//! ```
//! `checksum` is the CRC32C of the format, the version and the id, each followed by a line feed.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use volumed_core::DiskId;
use volumed_core::sums::sum;

use crate::DiskError;
use crate::layout::Layout;

const FORMAT: &str = "hayrack disk";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Identity {
    format: String,
    version: u32,
    id: String,
    checksum: String,
}

/// Why a `disk.json` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is something else, or damaged.
    #[error("it is damaged; bring back the file that was there")]
    Damaged,
    /// A newer program wrote it.
    #[error("it has version {0}, and this program knows up to {VERSION}: use a newer program")]
    Newer(u32),
}

/// Reads a disk's id, or draws one for a directory that has none.
pub(crate) fn load_or_create(layout: &Layout) -> Result<DiskId, DiskError> {
    if let Some(id) = load(layout)? {
        return Ok(id);
    }
    let (path, id) = (layout.identity(), DiskId(rand::rng().random()));
    create(layout.root(), &path, id).map_err(DiskError::io(&path))?;
    Ok(id)
}

/// Reads a disk's id; `None` for a directory that is no disk.
pub(crate) fn load(layout: &Layout) -> Result<Option<DiskId>, DiskError> {
    let path = layout.identity();
    match std::fs::read(&path) {
        Ok(text) => decode(&text)
            .map(Some)
            .map_err(|why| DiskError::Identity { path, why }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::io(path)(error)),
    }
}

/// Who the disk in a folder is; `None` when there is none, say since its file system is not mounted.
pub fn disk_in(folder: &Path) -> Result<Option<DiskId>, DiskError> {
    load(&Layout::new(folder.to_owned()))
}

/// Has a disk that holds nothing, and that nobody uses, belong to no store, so that any may take it. Answers whether
/// it holds nothing.
pub fn release(folder: &Path) -> Result<bool, DiskError> {
    let layout = Layout::new(folder.to_owned());
    let volumes = layout.volumes();
    match std::fs::read_dir(&volumes).map(|mut volumes| volumes.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(DiskError::io(volumes)(error)),
    }
    let state = layout.state();
    let removed = std::fs::remove_file(&state).and_then(|()| File::open(folder)?.sync_all());
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DiskError::io(state)(error))
        }
        _ => Ok(true),
    }
}

fn create(root: &Path, path: &Path, id: DiskId) -> std::io::Result<()> {
    let unfinished = path.with_extension("json.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(encode(id).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    File::open(root)?.sync_all()
}

fn encode(id: DiskId) -> String {
    let id = id.to_string();
    let checksum = checksum(FORMAT, VERSION, &id);
    let identity = Identity {
        format: FORMAT.to_owned(),
        version: VERSION,
        id,
        checksum,
    };
    serde_json::to_string(&identity).expect("an identity is plain text") + "\n"
}

fn decode(text: &[u8]) -> Result<DiskId, IdentityError> {
    let found: Identity = serde_json::from_slice(text).map_err(|_| IdentityError::Damaged)?;
    if found.format != FORMAT || found.checksum != checksum(&found.format, found.version, &found.id)
    {
        return Err(IdentityError::Damaged);
    }
    if found.version > VERSION {
        return Err(IdentityError::Newer(found.version));
    }
    found.id.parse().map_err(|_| IdentityError::Damaged)
}

/// Reads it with whatever checksum it has, then with one that fits: what is read is written as it was.
pub(crate) fn fuzz(text: &[u8]) {
    let _ = decode(text);
    let Ok(mut found) = serde_json::from_slice::<Identity>(text) else {
        return;
    };
    found.checksum = checksum(&found.format, found.version, &found.id);
    let fitting = serde_json::to_vec(&found).expect("an identity is plain text");
    if let Ok(id) = decode(&fitting) {
        assert_eq!(decode(encode(id).as_bytes()), Ok(id));
    }
}

fn checksum(format: &str, version: u32, id: &str) -> String {
    format!(
        "{:08x}",
        sum(format!("{format}\n{version}\n{id}\n").as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::{IdentityError, checksum, decode, encode};
    use proptest::prelude::*;
    use volumed_core::DiskId;

    #[test]
    fn a_newer_identity_is_refused() {
        let id = DiskId(5).to_string();
        let sum = checksum("hayrack disk", 2, &id);
        let text =
            format!(r#"{{"format":"hayrack disk","version":2,"id":"{id}","checksum":"{sum}"}}"#);
        assert_eq!(decode(text.as_bytes()), Err(IdentityError::Newer(2)));
    }

    proptest! {
        #[test]
        fn an_identity_is_read_back_and_damage_is_noticed(id: u128, at in 0..140_usize, flip in 1..255_u8) {
            let mut text = encode(DiskId(id)).into_bytes();
            prop_assert_eq!(decode(&text), Ok(DiskId(id)));
            let at = at % (text.len() - 1);
            text[at] ^= flip;
            let read = decode(&text);
            prop_assert!(read.is_err() || read == Ok(DiskId(id)), "{:?}", read);
        }

        #[test]
        fn anything_may_be_read(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
