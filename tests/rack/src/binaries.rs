//! Where the programs of a rack are.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// A folder with `volumed`, `s3d` and this crate's program.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Those that were built beside a program.
    pub fn beside(program: &Path) -> Self {
        Self {
            folder: program.parent().unwrap_or(program).to_owned(),
        }
    }

    /// Where one of them is.
    ///
    /// # Errors
    /// When it was not built.
    pub fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        ensure!(
            path.exists(),
            "{} is missing: run `cargo build -p {name}` first",
            path.display()
        );
        Ok(path)
    }
}
