//! Where this machine's files are.

use std::path::{Path, PathBuf};

/// A machine as its files show it; a test has a folder in place of `/`.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Machine {
    /// The machine whose `/` is this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A file of it, by its absolute path.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The state partition, which outlives updates.
    pub fn state(&self) -> PathBuf {
        self.path("/run/hayrack-node/state")
    }

    /// What this crate keeps on the state partition.
    pub fn node_state(&self, name: &str) -> PathBuf {
        self.state().join("node").join(name)
    }

    /// What is found anew at every start.
    pub fn run(&self, name: &str) -> PathBuf {
        self.path("/run/hayrack-node").join(name)
    }
}

/// The text of a small file of the kernel's, without the end of its line.
pub fn read_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}
