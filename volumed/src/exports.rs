//! The node's volumes as exports. The core's errors become the protocol's here alone.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::{ExtentIndex, IoError, Reply, Request, map};
use volumed_listener::{Answer, Export, Exports, Refused};
use volumed_nbd::server::{Command, Refusal, descriptors};
use volumed_nbd::{Failure, NbdError};
use volumed_node::{AttachError, ExportName, OpenExportError, ShowVolumeError, Volumes};

/// The volumes as NBD's clients ask for them.
pub struct VolumeExports(pub Volumes);

/// A volume that a connection has open.
pub struct VolumeExport(Arc<volumed_node::Export>);

impl Exports for VolumeExports {
    type Export = VolumeExport;

    async fn names(&self) -> Result<Vec<String>, Refused> {
        let volumes = self.0.list().await.map_err(|error| refused_show(&error))?;
        Ok(volumes
            .iter()
            .map(|volume| volume.name.to_string())
            .collect())
    }

    async fn size(&self, name: &str) -> Result<u64, Refused> {
        let export = parse(name)?;
        let volume = self
            .0
            .show(&export.volume)
            .await
            .map_err(|error| refused_show(&error))?;
        Ok(volume.size.0)
    }

    async fn open(&self, name: &str) -> Result<VolumeExport, Refused> {
        let export = parse(name)?;
        let opened = self.0.open(&export).await.map_err(|error| {
            let refusal = match &error {
                OpenExportError::NotFound(_)
                | OpenExportError::Attach(AttachError::NotFound(_)) => Refusal::Unknown,
                OpenExportError::Attach(AttachError::Stopping) => Refusal::Shutdown,
                OpenExportError::Owned(_)
                | OpenExportError::Epoch(..)
                | OpenExportError::Token(_)
                | OpenExportError::UnflushedLost(_)
                | OpenExportError::Attach(_) => Refusal::Policy,
            };
            Refused {
                refusal,
                sentence: error.to_string(),
            }
        });
        opened.map(VolumeExport)
    }
}

impl Export for VolumeExport {
    fn size(&self) -> u64 {
        self.0.size().0
    }

    fn submit(&self, command: Command, answer: Answer) {
        let range = range(&command);
        let maps = matches!(command, Command::BlockStatus { .. });
        let request = match request(command) {
            Ok(request) => request,
            Err(Readahead { offset, length }) => {
                let done = move || answer(Ok(Bytes::new()));
                return self.0.read_ahead(offset, length, done);
            }
        };
        let answer = move |reply: Reply| {
            answer(match reply {
                Ok(runs) if maps => Ok(status(runs)),
                Ok(data) => Ok(data),
                Err(error) => Err(failure(error, range)),
            });
        };
        self.0.submit(request, answer);
    }

    async fn revoked(&self) {
        self.0.revoked().await;
    }
}

fn parse(name: &str) -> Result<ExportName, Refused> {
    name.parse()
        .map_err(|error: volumed_node::InvalidExportName| Refused {
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

/// CACHE: a hint, which is no request to a volume.
struct Readahead {
    offset: u64,
    length: u32,
}

fn request(command: Command) -> Result<Request, Readahead> {
    Ok(match command {
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
        Command::BlockStatus {
            offset,
            length,
            one,
        } => Request::Map {
            offset,
            length,
            one,
        },
        Command::Cache { offset, length } => return Err(Readahead { offset, length }),
    })
}

/// The bytes that a command is about, if not about the whole volume.
fn range(command: &Command) -> Option<(u64, u64)> {
    match command {
        Command::Flush => None,
        Command::Write { offset, data, .. } => Some((*offset, data.len() as u64)),
        Command::Read { offset, length }
        | Command::Trim { offset, length, .. }
        | Command::WriteZeroes { offset, length, .. }
        | Command::Cache { offset, length }
        | Command::BlockStatus { offset, length, .. } => Some((*offset, (*length).into())),
    }
}

fn status(runs: Bytes) -> Bytes {
    descriptors(map::runs(runs).map(|run| (run.length, run.hole)))
}

/// The sentence says what to do about it.
fn failure(error: IoError, range: Option<(u64, u64)>) -> Failure {
    let (error, sentence) = match error {
        IoError::NoSpace => (
            NbdError::NoSpace,
            "the pool or the volume's quota has no space left: trim or delete something, add a disk, or \
             type: volumed volume quota"
                .into(),
        ),
        IoError::Exhausted => (
            NbdError::NoMemory,
            "the volume daemon lacks file descriptors or memory: try again, or raise its limits"
                .into(),
        ),
        IoError::Io => (NbdError::Io, io_sentence(range, "could not be read or written")),
        IoError::Lost => (
            NbdError::Io,
            io_sentence(range, "were lost with a disk, and are well again once they are written whole"),
        ),
        IoError::Invalid => return NbdError::Invalid.into(),
        IoError::Gone => (
            NbdError::Shutdown,
            "the volume has another owner, or the daemon stops: connect again".into(),
        ),
    };
    Failure { error, sentence }
}

fn io_sentence(range: Option<(u64, u64)>, what: &str) -> Cow<'static, str> {
    let Some((offset, length)) = range else {
        return "what was written could not be made durable: run `volumed doctor` on the server"
            .into();
    };
    let last = offset + length.max(1) - 1;
    let (first, end) = (ExtentIndex::of(offset).0, ExtentIndex::of(last).0);
    let extents = if first == end {
        format!("extent {first}")
    } else {
        format!("extents {first} to {end}")
    };
    format!("bytes {offset} to {last} ({extents}) {what}: run `volumed doctor` on the server")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_extents_and_what_to_do() {
        let sentence = |range| failure(IoError::Io, range).sentence.into_owned();
        let one = sentence(Some((64 << 20, 4096)));
        assert!(
            one.starts_with("bytes 67108864 to 67112959 (extent 1) "),
            "{one}"
        );
        let two = sentence(Some(((64 << 20) - 1, 2)));
        assert!(two.contains("(extents 0 to 1)"), "{two}");
        let lost = failure(IoError::Lost, Some((0, 4096)));
        let lost_sentence = lost.sentence.into_owned();
        assert_eq!(lost.error, NbdError::Io);
        assert!(
            lost_sentence.contains("(extent 0) were lost with a disk"),
            "{lost_sentence}"
        );
        for sentence in [one, two, lost_sentence, sentence(None)] {
            assert!(sentence.contains("`volumed doctor`"), "{sentence}");
        }
    }
}
