use std::path::PathBuf;

use tempfile::TempDir;

use crate::Location;
use crate::conformance::{Backend, conforms};

struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl Backend for File {
    fn location(&self) -> Location {
        Location::from(&self.path)
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
