//! The metadata store: what the daemon says of it, and a copy to take away.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::{Method, Response, body::Incoming};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use super::client::{AdminClient, AdminError, read_whole, refusal};

/// The metadata store and its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreInfo {
    /// Where it is: a file, or the members of an etcd.
    pub location: String,
    /// Grows with every change.
    pub revision: u64,
    /// Grows with every start of the daemon and every copy: a store that knows fewer than a disk does
    /// is an older copy, and refused.
    pub generation: u64,
    /// What each disk has of it.
    pub disks: Vec<StoreCopies>,
    /// How many copies failed since the daemon was started.
    pub failures: u64,
}

/// The copies of the store on one disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreCopies {
    /// The disk's id.
    pub disk: String,
    /// Where they are.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub folder: PathBuf,
    /// Every one, by name: those of days, then those of before a change of the format.
    pub copies: Vec<StoreCopy>,
    /// Why the last try failed, if it did.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub failure: Option<String>,
}

/// A copy of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreCopy {
    /// Its file.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub path: PathBuf,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// Its length.
    pub bytes: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackUpError {
    /// The daemon gave none.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The connection broke in the middle.
    #[error("the backup broke off after {0} bytes; nothing was kept")]
    Short(u64),
    /// It cannot be written.
    #[error("cannot write the backup {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl AdminClient {
    /// The metadata store and its copies.
    pub async fn store(&self) -> Result<StoreInfo, AdminError> {
        self.get("/v1/meta").await
    }

    /// Writes a copy of the metadata store to the file `to`, which must not exist: durable, readable
    /// by its owner only, and under its name only when it is whole. `progress` is told the bytes
    /// written and the bytes in all. Answers the file's length.
    pub async fn back_up_store(
        &self,
        to: &Path,
        progress: impl FnMut(u64, u64),
    ) -> Result<u64, BackUpError> {
        if fs::try_exists(to).await.map_err(write_error(to))? {
            return Err(write_error(to)(io::ErrorKind::AlreadyExists.into()));
        }
        let answer = self
            .send::<()>(Method::POST, "/v1/meta/backup", None)
            .await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refusal(status, &read_whole(answer).await?).into());
        }
        let unfinished = unfinished(to);
        let downloaded = download(answer, &unfinished, progress).await;
        if downloaded.is_err() {
            let _ = fs::remove_file(&unfinished).await;
        }
        let length = downloaded?;
        publish(&unfinished, to).await.map_err(write_error(to))?;
        Ok(length)
    }
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> BackUpError {
    move |source| BackUpError::Write {
        path: path.to_owned(),
        source,
    }
}

fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    to.with_file_name(name)
}

async fn download(
    answer: Response<Incoming>,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, BackUpError> {
    let mut body = answer.into_body();
    let all = body.size_hint().lower();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(to).await.map_err(write_error(to))?;
    let mut written = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BackUpError::Short(written))?;
        if let Some(bytes) = frame.data_ref() {
            file.write_all(bytes).await.map_err(write_error(to))?;
            written += bytes.len() as u64;
            progress(written, all);
        }
    }
    file.sync_all().await.map_err(write_error(to))?;
    Ok(written)
}

async fn publish(unfinished: &Path, to: &Path) -> io::Result<()> {
    fs::rename(unfinished, to).await?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).await?.sync_all().await
}
