//! Brings a SQLite store into an etcd that has none.

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcd_client::{Client, Compare, GetOptions, Txn, TxnOp};

use super::failure::Failure;
use super::keys::Keys;
use super::members::{EtcdTlsError, Members};
use super::range::{self, Pages};
use super::transaction::{absent, delete_all, unchanged};
use crate::copy::CopyError;
use crate::failure::StoreError;
use crate::location::EtcdLocation;
use crate::transaction::Revision;
use source::Source;

/// Puts of one transaction: fewer than etcd takes, as are their bytes.
const PUTS: usize = 100;
const BYTES: usize = 512 << 10;

/// A store was brought into an etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Keys that are there.
    pub keys: u64,
    /// The newest revision of the file.
    pub from: Revision,
    /// The etcd's, when all of them were there.
    pub at: Revision,
}

/// Why a store was not brought into an etcd. A part of it may be there: nobody can open that, and the
/// next attempt begins with its removal.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] CopyError),
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] EtcdTlsError),
    /// The etcd does not answer.
    #[error("cannot bring the metadata store to {location}: {source}")]
    Unavailable {
        /// Where to.
        location: EtcdLocation,
        /// What came of it.
        source: StoreError,
    },
    /// There is a store.
    #[error(
        "there is a metadata store in {0} already: name another etcd, or another store in it \
         (etcd://HOST:PORT/NAME)"
    )]
    NotEmpty(EtcdLocation),
    /// Another process began anew.
    #[error("another process brings a metadata store to {0}: let it end, or try again after it")]
    Overtaken(EtcdLocation),
    /// What is there is not what the file holds.
    #[error("{} of {} is not in the etcd as it is in the file: try again", .key.escape_ascii(), .file.display())]
    Differs {
        /// The file.
        file: PathBuf,
        /// The first key that differs.
        key: Vec<u8>,
    },
}

/// Brings what the file `from` holds into the etcd, where no store may be: every key and value as it
/// is, but for those of `instead`. Revisions begin anew, and keys of leases are left out. Nobody may
/// change the file meanwhile: what is changed is lost.
///
/// Until all of it is there and compared, the store cannot be opened. An attempt that failed, or whose
/// process was killed, is made again by the same call.
pub async fn import(
    from: &Path,
    into: EtcdLocation,
    instead: BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Imported, ImportError> {
    let source = Source::open(from, instead).await?;
    let mut import = Import {
        file: from.to_owned(),
        keys: Keys::of(&into),
        members: Members::of(into).await?,
        turn: 0,
    };
    import.begin().await?;
    import.put_all(source.again()).await?;
    let (keys, at) = import.compare_all(source.again()).await?;
    import.end().await?;
    Ok(Imported {
        keys,
        from: source.revision(),
        at,
    })
}

struct Import {
    file: PathBuf,
    keys: Keys,
    members: Members,
    /// The revision that wrote the mark of this attempt.
    turn: Revision,
}

impl Import {
    /// Leaves the mark of this attempt, in an etcd that has nothing of the store, or something of an
    /// attempt that failed, which goes.
    async fn begin(&mut self) -> Result<(), ImportError> {
        let name = name_of_attempt();
        let mark = TxnOp::put(self.keys.importing(), name.clone(), None);
        let nothing = absent(self.keys.in_etcd(b"")).with_range(self.keys.end_of(b""));
        let fresh = vec![absent(self.keys.importing()), nothing];
        if !self.transact(fresh, vec![mark.clone()]).await? {
            let Some((left, _)) = self.mark().await? else {
                return Err(ImportError::NotEmpty(self.members.location().clone()));
            };
            let left = vec![unchanged(self.keys.importing(), left)];
            let anew = vec![mark, delete_all(&self.keys, b"")];
            self.transact(left, anew).await?;
        }
        // An answer may have been lost, and the transaction refused when it was tried again.
        match self.mark().await? {
            Some((turn, by)) if by == name => self.turn = turn,
            _ => return Err(self.overtaken()),
        }
        Ok(())
    }

    async fn put_all(&self, mut source: Source) -> Result<(), ImportError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some((key, value)) = source.next().await? {
            let size = key.len() + value.len();
            if batch.len() == PUTS || bytes + size > BYTES {
                self.put(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += size;
            batch.push(TxnOp::put(self.keys.in_etcd(&key), value, None));
        }
        self.put(batch).await
    }

    /// Only as long as this is the newest attempt.
    async fn put(&self, batch: Vec<TxnOp>) -> Result<(), ImportError> {
        let mine = vec![unchanged(self.keys.importing(), self.turn)];
        if self.transact(mine, batch).await? {
            return Ok(());
        }
        Err(self.overtaken())
    }

    /// Compares what is there with what should be; answers how many keys there are, and the revision.
    async fn compare_all(&self, mut source: Source) -> Result<(u64, Revision), ImportError> {
        let failed = |failure| self.unavailable(failure);
        let mut pages = Pages::of(&self.members, &self.keys, b"", None, usize::MAX);
        let mut keys = 0;
        loop {
            let page = pages.next().await.map_err(failed)?;
            if page.is_empty() {
                break;
            }
            for found in page.into_iter().map(|found| found.entry) {
                let expected = source.next().await?;
                if expected.is_none_or(|(key, value)| key != found.key || value != found.value) {
                    return Err(self.differs(found.key));
                }
                keys += 1;
            }
        }
        if let Some((key, _)) = source.next().await? {
            return Err(self.differs(key));
        }
        Ok((keys, pages.revision().await.map_err(failed)?))
    }

    async fn end(&self) -> Result<(), ImportError> {
        let mine = vec![unchanged(self.keys.importing(), self.turn)];
        let mark = TxnOp::delete(self.keys.importing(), None);
        // Refused, it was done by a try whose answer was lost, or there is another attempt's.
        if self.transact(mine, vec![mark]).await? || self.mark().await?.is_none() {
            return Ok(());
        }
        Err(self.overtaken())
    }

    /// Whoever wrote the mark, and at which revision.
    async fn mark(&self) -> Result<Option<(Revision, Vec<u8>)>, ImportError> {
        let answer = range::get(&self.members, self.keys.importing(), GetOptions::new()).await;
        let answer = answer.map_err(|failure| self.unavailable(failure))?;
        let found = answer.kvs().first();
        Ok(found.map(|found| {
            let revision = range::of_etcd(found.mod_revision());
            (revision, found.value().to_vec())
        }))
    }

    /// Each of an attempt's transactions may be done twice. Answers whether its conditions held.
    async fn transact(
        &self,
        conditions: Vec<Compare>,
        operations: Vec<TxnOp>,
    ) -> Result<bool, ImportError> {
        let transaction = Txn::new().when(conditions).and_then(operations);
        let call = |mut client: Client| {
            let transaction = transaction.clone();
            async move { client.txn(transaction).await }
        };
        let answer = self.members.read(call).await;
        let answer = answer.map_err(|failure| self.unavailable(failure))?;
        Ok(answer.succeeded())
    }

    fn unavailable(&self, failure: Failure) -> ImportError {
        ImportError::Unavailable {
            location: self.members.location().clone(),
            source: failure.into(),
        }
    }

    fn overtaken(&self) -> ImportError {
        ImportError::Overtaken(self.members.location().clone())
    }

    fn differs(&self, key: Vec<u8>) -> ImportError {
        ImportError::Differs {
            file: self.file.clone(),
            key,
        }
    }
}

/// Another one for each attempt: no two of them are made by one process at one time.
fn name_of_attempt() -> Vec<u8> {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{} {}", std::process::id(), since.as_nanos()).into_bytes()
}
