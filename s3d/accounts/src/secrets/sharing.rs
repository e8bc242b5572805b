//! The same secrets on every node of a cluster: one node makes them, the others are given them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use s3d_records::{Records, absent, put};
use volumed_meta::MetaStore;

use super::{FILES, SecretsError, parse, text_of};
use crate::secret_file::SecretFileError;
use crate::{seal, secret_file, token};

/// Whether the secrets in `folder` are those of the store. A store that has none yet gets those in
/// `folder`, which are made if there are none.
pub async fn claim(store: Arc<dyn MetaStore>, folder: &Path) -> Result<bool, SecretsError> {
    let records = Records::new(store);
    let path = folder.join(seal::FILE);
    if records.get::<String>(seal::SEALS).await?.is_none() {
        let new = !path.exists();
        secret_file::read_or_make(&folder.join(token::FILE))?;
        let keys = secret_file::read_or_make(&path)?;
        let first = put(seal::SEALS, &seal::key_id(&keys[0]));
        let is_first = records.commit(vec![absent(seal::SEALS)], vec![first]);
        if !is_first.await? && new {
            // Another node was first, and nothing is sealed with these.
            for file in FILES {
                remove(&folder.join(file))?;
            }
        }
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

/// What becomes of the secrets that others take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// They may be another store's, and are set aside.
    Kept,
    /// They were this store's, and nothing is sealed with them any more.
    Gone,
}

/// Puts secrets that another node gave into `folder`, if they fit the store.
pub async fn take(
    store: Arc<dyn MetaStore>,
    folder: &Path,
    given: &str,
    former: Former,
) -> Result<(), SecretsError> {
    let files = parse(given).ok_or(SecretsError::NotWhole)?;
    super::check(&Records::new(store), &files[0]).await?;
    for (file, keys) in FILES.iter().zip(&files) {
        let path = folder.join(file);
        if former == Former::Kept && path.exists() && secret_file::read_or_make(&path)? != *keys {
            set_aside(&path)?;
        }
        secret_file::write(&path, keys)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), SecretsError> {
    std::fs::remove_file(path).map_err(|source| failed(path, source))
}

fn set_aside(path: &Path) -> Result<(), SecretsError> {
    let aside = path.with_extension("aside");
    std::fs::rename(path, &aside).map_err(|source| failed(path, source))?;
    tracing::warn!(path = %aside.display(), "secrets that the cluster does not use are set aside");
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> SecretsError {
    let path = path.to_owned();
    SecretsError::File(SecretFileError::File { path, source })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use volumed_meta::SqliteStore;

    use super::*;

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn store(folder: &TempDir) -> Arc<dyn MetaStore> {
        Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap())
    }

    #[tokio::test]
    async fn one_node_makes_them_and_the_others_are_given_them() {
        let (first, second) = (folder(), folder());
        let store = store(&first);
        assert!(claim(store.clone(), first.path()).await.unwrap());
        assert!(!claim(store.clone(), second.path()).await.unwrap());
        assert_eq!(std::fs::read_dir(second.path()).unwrap().count(), 0);
        let given = give(first.path()).unwrap();
        let taken = take(store.clone(), second.path(), &given, Former::Kept);
        taken.await.unwrap();
        assert!(claim(store, second.path()).await.unwrap());
        assert_eq!(give(second.path()).unwrap(), given);
    }

    #[tokio::test]
    async fn those_of_another_store_are_set_aside() {
        let (first, second) = (folder(), folder());
        let (ours, theirs) = (store(&first), store(&second));
        assert!(claim(ours.clone(), first.path()).await.unwrap());
        assert!(claim(theirs, second.path()).await.unwrap());
        let before = std::fs::read(second.path().join(seal::FILE)).unwrap();
        assert!(!claim(ours.clone(), second.path()).await.unwrap());
        let given = give(first.path()).unwrap();
        let taken = take(ours.clone(), second.path(), &given, Former::Kept);
        taken.await.unwrap();
        assert!(claim(ours.clone(), second.path()).await.unwrap());
        assert_eq!(
            std::fs::read(second.path().join("seal.aside")).unwrap(),
            before
        );
        // What does not fit the store is not taken, and neither is half of it.
        let wrong = give(folder().path()).unwrap();
        let refused = take(ours.clone(), second.path(), &wrong, Former::Kept).await;
        assert!(matches!(refused, Err(SecretsError::OtherKey)));
        let half = &given[..given.len() / 2];
        let half = take(ours.clone(), second.path(), half, Former::Kept).await;
        assert!(matches!(half, Err(SecretsError::NotWhole)));
        assert!(claim(ours, second.path()).await.unwrap());
    }

    #[tokio::test]
    async fn a_node_that_had_them_before_there_was_a_record_is_the_first() {
        let folder = folder();
        let given = give(folder.path()).unwrap();
        assert!(claim(store(&folder), folder.path()).await.unwrap());
        assert_eq!(give(folder.path()).unwrap(), given);
    }
}
