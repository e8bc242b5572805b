use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::conformance::{Backend, conforms};

struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl Backend for File {
    fn location(&self) -> &Path {
        &self.path
    }
}

fn fresh() -> File {
    let folder = tempfile::tempdir().unwrap();
    File {
        path: folder.path().join("meta.db"),
        _folder: folder,
    }
}

conforms!(fresh);
