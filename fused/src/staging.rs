//! Files on this machine's disk that hold staged bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

/// Where staged bytes are kept.
#[derive(Debug)]
pub struct StagingFolder(PathBuf);

/// The staged bytes of one file, each at its own offset. Sparse: what is not staged takes no room.
#[derive(Debug)]
pub struct StageFile(File);

impl StagingFolder {
    /// Makes the folder, for its owner alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// A new and empty file.
    pub fn create(&self) -> io::Result<StageFile> {
        tempfile::tempfile_in(&self.0).map(StageFile)
    }
}

impl StageFile {
    /// Stages bytes at an offset.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// Reads bytes that were staged.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    /// The same as bytes of their own.
    pub fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = BytesMut::zeroed(length);
        self.read(offset, &mut bytes)?;
        Ok(bytes.freeze())
    }
}
