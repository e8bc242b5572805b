//! What the header page of a sums file says.

use std::fs::File;
use std::io::{Error, ErrorKind};

use volumed_core::format::{FormatError, SumsHeader};
use volumed_core::message::ExtentFile;
use volumed_core::{BLOCK_SIZE, VolumeId};

use crate::slots::read_up_to;

/// Why an extent must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] Error),
    /// A newer program wrote it.
    #[error("{0}")]
    Format(FormatError),
    /// It is another extent's file.
    #[error("it is the file of extent {extent} of {volume}, placed at {alloc}")]
    Foreign {
        volume: VolumeId,
        extent: u64,
        alloc: u64,
    },
}

impl HeaderError {
    pub fn into_io(self) -> Error {
        match self {
            Self::Io(error) => error,
            other => Error::new(ErrorKind::InvalidData, other),
        }
    }
}

/// How many blocks took space when the extent was last clean, after which nothing may have made it
/// wrong but changes that the dirty log knows of. `None`: the page is damaged, as a power cut while an
/// extent is settled may leave it.
pub(crate) fn read(
    sums: &File,
    volume: VolumeId,
    file: ExtentFile,
) -> Result<Option<u32>, HeaderError> {
    #[cfg(test)]
    tests::READS.with(|reads| reads.set(reads.get() + 1));
    let page = read_up_to(sums, 0, BLOCK_SIZE as usize)?;
    let header = match SumsHeader::decode(&page) {
        Ok(header) => header,
        Err(FormatError::Damaged) => return Ok(None),
        Err(newer) => return Err(HeaderError::Format(newer)),
    };
    if (header.volume, header.extent, header.alloc) != (volume, file.extent, file.alloc) {
        return Err(HeaderError::Foreign {
            volume: header.volume,
            extent: header.extent.0,
            alloc: header.alloc.0,
        });
    }
    Ok(Some(header.allocated))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        /// Headers that this thread read.
        pub static READS: Cell<u32> = const { Cell::new(0) };
    }
}
