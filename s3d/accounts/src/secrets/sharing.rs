//! The same secrets on every node of a cluster: one node makes them, the others are given them.

use std::path::Path;
use std::sync::Arc;

use s3d_records::{Records, absent, put};
use volumed_meta::MetaStore;

use super::{FILES, SecretsError, parse, text_of};
use crate::{seal, secret_file, token};

/// Whether the secrets in `folder` are those of the store. A store that has none yet gets those in
/// `folder`, which are made if there are none.
pub async fn claim(store: Arc<dyn MetaStore>, folder: &Path) -> Result<bool, SecretsError> {
    let records = Records::new(store);
    let path = folder.join(seal::FILE);
    if records.get::<String>(seal::SEALS).await?.is_none() {
        secret_file::read_or_make(&folder.join(token::FILE))?;
        let keys = secret_file::read_or_make(&path)?;
        let first = put(seal::SEALS, &seal::key_id(&keys[0]));
        // Another node may be first.
        records
            .commit(vec![absent(seal::SEALS)], vec![first])
            .await?;
    }
    let sealing = records.get::<String>(seal::SEALS).await?;
    if !path.exists() {
        return Ok(false);
    }
    let keys = secret_file::read_or_make(&path)?;
    let ids: Vec<_> = keys.iter().map(seal::key_id).collect();
    Ok(sealing.is_some_and(|stored| ids.contains(&stored.record)))
}

/// The secrets in `folder`, for another node of the cluster.
pub fn give(folder: &Path) -> Result<String, SecretsError> {
    text_of(folder)
}

/// Puts secrets that another node gave into `folder`, if they fit the store. Others that are there are of
/// no use with it, and set aside.
pub async fn take(
    store: Arc<dyn MetaStore>,
    folder: &Path,
    given: &str,
) -> Result<(), SecretsError> {
    let files = parse(given).ok_or(SecretsError::NotWhole)?;
    super::check(&Records::new(store), &files[0]).await?;
    for (file, keys) in FILES.iter().zip(&files) {
        let path = folder.join(file);
        if path.exists() && secret_file::read_or_make(&path)? != *keys {
            set_aside(&path)?;
        }
        secret_file::write(&path, keys)?;
    }
    Ok(())
}

fn set_aside(path: &Path) -> Result<(), SecretsError> {
    let aside = path.with_extension("aside");
    std::fs::rename(path, &aside).map_err(|source| SecretsError::Backup {
        path: aside.clone(),
        source,
    })?;
    tracing::warn!(path = %aside.display(), "secrets of another metadata store are set aside");
    Ok(())
}
