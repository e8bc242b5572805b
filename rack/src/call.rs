//! Which rack a command is about.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rack_model::{LoadError, Rack};

/// What a rack's file is called.
pub const FILE_NAME: &str = "rack.toml";

/// Which rack, and how to answer.
#[derive(Debug, Args)]
pub struct Call {
    /// The rack's file [default: rack.toml in the current folder or the nearest one above]
    #[arg(long, global = true, value_name = "FILE", env = "RACK_FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// Why there is no rack.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The current folder is gone.
    #[error("cannot find the current folder: {0}")]
    NoFolder(io::Error),
    /// There is no file.
    #[error("there is no rack.toml in {} or above it; `rack init` writes one, --file names another", .0.display())]
    NotFound(PathBuf),
    /// The file cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Call {
    /// The rack.
    pub fn rack(&self) -> Result<Rack, OpenError> {
        Ok(Rack::load(&self.path()?)?)
    }

    /// Where its file is.
    pub fn path(&self) -> Result<PathBuf, OpenError> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        if Path::new(FILE_NAME).is_file() {
            return Ok(FILE_NAME.into());
        }
        let here = std::env::current_dir().map_err(OpenError::NoFolder)?;
        above(&here).ok_or(OpenError::NotFound(here))
    }
}

/// The nearest rack.toml, in the folder or one that it is in.
fn above(folder: &Path) -> Option<PathBuf> {
    let files = folder.ancestors().map(|folder| folder.join(FILE_NAME));
    files.into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_above_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let outer = folder.path().join(FILE_NAME);
        fs::write(&outer, "").unwrap();
        assert_eq!(above(&below), Some(outer));
        let inner = folder.path().join("a").join(FILE_NAME);
        fs::write(&inner, "").unwrap();
        assert_eq!(above(&below), Some(inner));
    }
}
