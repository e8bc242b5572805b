//! The store that a node had for itself, before it was in a cluster.

use std::path::{Path, PathBuf};

use volumed_meta::{ReplaceError, put_away, refuse_if_open};

use crate::config::Settings;

/// Why a store of this node's own is in the way.
#[derive(Debug, thiserror::Error)]
pub enum OwnStoreError {
    /// The settings name a store in an etcd.
    #[error(
        "the settings name the metadata store {0}: a cluster is made of a node whose store is a file, and brings \
         its own etcd"
    )]
    NoFile(String),
    /// Somebody has it open, or it cannot be moved.
    #[error(transparent)]
    Move(#[from] ReplaceError),
}

/// The file, which nobody may have open; none if there is none.
pub fn own_store(settings: &Settings) -> Result<Option<&Path>, OwnStoreError> {
    let file = settings.store.file();
    let file = file.ok_or_else(|| OwnStoreError::NoFile(settings.store.to_string()))?;
    if !file.exists() {
        return Ok(None);
    }
    refuse_if_open(file)?;
    Ok(Some(file))
}

/// Gives the file a name by which nobody starts on it any more, and answers that.
pub fn put_aside(file: &Path) -> Result<PathBuf, OwnStoreError> {
    let aside = unused(file);
    put_away(file, &aside)?;
    Ok(aside)
}

fn unused(file: &Path) -> PathBuf {
    let first = file.with_added_extension("before-cluster");
    let more = (2_u32..).map(|number| first.with_added_extension(number.to_string()));
    let mut names = std::iter::once(first.clone()).chain(more);
    let unused = names.find(|path| !path.exists());
    unused.expect("there are more names than files")
}
