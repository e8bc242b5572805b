//! The node's volumes as exports. The core's errors become the protocol's here alone.

use std::sync::Arc;

use bytes::Bytes;
use volumed_core::{IoError, Reply, Request};
use volumed_nbd::NbdError;
use volumed_nbd::server::{Command, Refusal};

use super::exports::{Answer, Export, Exports, Refused};
use crate::volume::{self, AttachError, ExportName, OpenExportError, ShowVolumeError, Volumes};

impl Exports for Volumes {
    type Export = Arc<volume::Export>;

    async fn names(&self) -> Result<Vec<String>, Refused> {
        let volumes = self.list().await.map_err(|error| refused_show(&error))?;
        Ok(volumes
            .iter()
            .map(|volume| volume.name.to_string())
            .collect())
    }

    async fn size(&self, name: &str) -> Result<u64, Refused> {
        let export = parse(name)?;
        let volume = self
            .show(&export.volume)
            .await
            .map_err(|error| refused_show(&error))?;
        Ok(volume.size.0)
    }

    async fn open(&self, name: &str) -> Result<Arc<volume::Export>, Refused> {
        let export = parse(name)?;
        Volumes::open(self, &export).await.map_err(|error| {
            let refusal = match &error {
                OpenExportError::NotFound(_)
                | OpenExportError::Attach(AttachError::NotFound(_)) => Refusal::Unknown,
                OpenExportError::Attach(AttachError::Stopping) => Refusal::Shutdown,
                OpenExportError::Owned(_)
                | OpenExportError::Epoch(..)
                | OpenExportError::Attach(_) => Refusal::Policy,
            };
            Refused {
                refusal,
                sentence: error.to_string(),
            }
        })
    }
}

impl Export for Arc<volume::Export> {
    fn size(&self) -> u64 {
        volume::Export::size(self).0
    }

    fn submit(&self, command: Command, answer: Answer) {
        let Some(request) = request(command) else {
            return answer(Ok(Bytes::new()));
        };
        let answer = move |reply: Reply| answer(reply.map_err(nbd_error));
        volume::Export::submit(self, request, answer);
    }

    async fn revoked(&self) {
        volume::Export::revoked(self).await;
    }
}

fn parse(name: &str) -> Result<ExportName, Refused> {
    name.parse()
        .map_err(|error: volume::InvalidExportName| Refused {
            refusal: Refusal::Unknown,
            sentence: error.to_string(),
        })
}

fn refused_show(error: &ShowVolumeError) -> Refused {
    let refusal = match error {
        ShowVolumeError::NotFound(_) => Refusal::Unknown,
        ShowVolumeError::Record(_) | ShowVolumeError::Store(_) => Refusal::Policy,
    };
    Refused {
        refusal,
        sentence: error.to_string(),
    }
}

/// `None` for CACHE, a hint that the volumes have no use for.
fn request(command: Command) -> Option<Request> {
    Some(match command {
        Command::Read { offset, length } => Request::Read { offset, length },
        Command::Write { offset, data, fua } => Request::Write { offset, data, fua },
        Command::Flush => Request::Flush,
        Command::Trim {
            offset,
            length,
            fua,
        } => Request::Trim {
            offset,
            length: length.into(),
            fua,
        },
        Command::WriteZeroes {
            offset,
            length,
            fua,
            no_hole,
        } => Request::WriteZeroes {
            offset,
            length: length.into(),
            fua,
            no_hole,
        },
        Command::Cache { .. } => return None,
    })
}

fn nbd_error(error: IoError) -> NbdError {
    match error {
        IoError::NoSpace => NbdError::NoSpace,
        IoError::Exhausted => NbdError::NoMemory,
        IoError::Io => NbdError::Io,
        IoError::Invalid => NbdError::Invalid,
        IoError::Gone => NbdError::Shutdown,
    }
}
