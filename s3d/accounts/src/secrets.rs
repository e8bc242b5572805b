//! Backup, restore and rotation of a node's secrets, by the operator's commands.
//!
//! A backup is a text: the line `hayrack secrets 1`, a line `<file> <hex of its keys>` for each file,
//! and a line `sha256 <hex>` over all before it.

mod sharing;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use s3d_records::{RecordError, Records, absent, put, unchanged};
use sha2::{Digest as _, Sha256};
use volumed_meta::MetaStore;

use super::key::{self, KeyRecord};
use super::secret_file::{self, LENGTH, SecretFileError, SecretKey};
use super::{random, seal, token};

pub use sharing::{Former, claim, give, take};

const HEAD: &str = "hayrack secrets 1";

/// The files of a node's secrets.
const FILES: [&str; 2] = [seal::FILE, token::FILE];

/// Why secrets could not be backed up, restored or rotated.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A node's secret cannot be had.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The backup cannot be written or read.
    #[error("cannot write or read the backup {}: {source}", .path.display())]
    Backup {
        /// The backup.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is no backup, or is damaged.
    #[error("{} is not a whole backup of secrets", .0.display())]
    NoBackup(PathBuf),
    /// What another node gave is no secrets.
    #[error("another node gave what is no whole set of secrets")]
    NotWhole,
    /// The key is not the one that the store's secrets are sealed with.
    #[error(
        "the secrets in the metadata store are sealed with another key than this one: use the \
         backup that was made after the last rotation"
    )]
    OtherKey,
    /// A secret in the store does not open.
    #[error("the secret of the key {0} does not open with the node key; revoke that key first")]
    Unsealable(String),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Writes the secrets of the node whose state is in `folder` to a file that only its owner may read.
pub fn backup(folder: &Path, to: &Path) -> Result<(), SecretsError> {
    let text = text_of(folder)?;
    secret_file::replace(to, text.as_bytes()).map_err(|source| SecretsError::Backup {
        path: to.to_owned(),
        source,
    })
}

fn text_of(folder: &Path) -> Result<String, SecretsError> {
    let mut text = format!("{HEAD}\n");
    for file in FILES {
        let keys = secret_file::read_or_make(&folder.join(file))?;
        let _ = writeln!(text, "{file} {}", hex::encode(keys.concat()));
    }
    let sum = Sha256::digest(text.as_bytes());
    let _ = writeln!(text, "sha256 {}", hex::encode(sum));
    Ok(text)
}

/// Puts the secrets of a backup into `folder`, if they fit the store.
pub async fn restore(
    store: Arc<dyn MetaStore>,
    folder: &Path,
    from: &Path,
) -> Result<(), SecretsError> {
    let records = Records::new(store);
    let text = std::fs::read_to_string(from).map_err(|source| SecretsError::Backup {
        path: from.to_owned(),
        source,
    })?;
    let files = parse(&text).ok_or_else(|| SecretsError::NoBackup(from.to_owned()))?;
    check(&records, &files[0]).await?;
    for (file, keys) in FILES.iter().zip(&files) {
        secret_file::write(&folder.join(file), keys)?;
    }
    Ok(())
}

/// Whether one of the keys is the one that seals in the store, if one does.
async fn check(records: &Records, keys: &[SecretKey]) -> Result<(), SecretsError> {
    match records.get::<String>(seal::SEALS).await? {
        Some(stored) if keys.iter().all(|key| seal::key_id(key) != stored.record) => {
            Err(SecretsError::OtherKey)
        }
        _ => Ok(()),
    }
}

fn parse(text: &str) -> Option<Vec<Vec<SecretKey>>> {
    let (body, sum) = text.trim_end().rsplit_once('\n')?;
    let body = format!("{body}\n");
    let sum = hex::decode(sum.strip_prefix("sha256 ")?).ok()?;
    let mut lines = body.lines();
    if sum != Sha256::digest(body.as_bytes()).as_slice() || lines.next()? != HEAD {
        return None;
    }
    let files = FILES.iter().zip(lines).map(|(file, line)| {
        let keys = hex::decode(line.strip_prefix(file)?.trim()).ok()?;
        match keys.as_chunks::<LENGTH>() {
            (keys @ ([_] | [_, _]), []) => Some(keys.to_vec()),
            _ => None,
        }
    });
    let files: Option<Vec<_>> = files.collect();
    files.filter(|files| files.len() == FILES.len())
}

/// Replaces the node key and seals every secret anew; answers how many. The server may run. After a
/// crash at any point everything opens, and calling it again goes on where it stopped.
pub async fn rotate(store: Arc<dyn MetaStore>, folder: &Path) -> Result<usize, SecretsError> {
    let records = &Records::new(store);
    let path = folder.join(seal::FILE);
    let (old, new) = match secret_file::read_or_make(&path)?[..] {
        [new, old] => (old, new),
        [old] => {
            let new = random::bytes();
            // From here on both open.
            secret_file::write(&path, &[new, old])?;
            (old, new)
        }
        _ => unreachable!("a file holds one or two keys"),
    };
    switch(records, &old, &new).await?;
    let mut resealed = 0;
    // Nothing is sealed with the old key any more, but what is there may be changed meanwhile.
    loop {
        let pass = reseal_all(records, &old, &new).await?;
        resealed += pass.resealed;
        if !pass.again {
            break;
        }
    }
    secret_file::write(&path, &[new])?;
    Ok(resealed)
}

/// From here on only the new key seals.
async fn switch(records: &Records, old: &SecretKey, new: &SecretKey) -> Result<(), SecretsError> {
    loop {
        let change = vec![put(seal::SEALS, &seal::key_id(new))];
        let condition = match records.get::<String>(seal::SEALS).await? {
            None => absent(seal::SEALS),
            Some(stored) if stored.record == seal::key_id(new) => return Ok(()),
            Some(stored) if stored.record == seal::key_id(old) => unchanged(seal::SEALS, &stored),
            Some(_) => return Err(SecretsError::OtherKey),
        };
        if records.commit(vec![condition], change).await? {
            return Ok(());
        }
    }
}

struct Pass {
    resealed: usize,
    /// Whether a record was changed by somebody else meanwhile.
    again: bool,
}

async fn reseal_all(
    records: &Records,
    old: &SecretKey,
    new: &SecretKey,
) -> Result<Pass, SecretsError> {
    let mut pass = Pass {
        resealed: 0,
        again: false,
    };
    for (id, stored) in records.list::<KeyRecord>(key::PREFIX).await? {
        if seal::is_sealed_with(new, &stored.record.secret) {
            continue;
        }
        let secret = seal::reseal(&id, &stored.record.secret, old, new);
        let record = KeyRecord {
            secret: secret.ok_or_else(|| SecretsError::Unsealable(id.clone()))?,
            ..stored.record.clone()
        };
        let key = key::key_key(&id);
        let conditions = vec![unchanged(key.clone(), &stored)];
        if records.commit(conditions, vec![put(key, &record)]).await? {
            pass.resealed += 1;
        } else {
            pass.again = true;
        }
    }
    Ok(pass)
}
