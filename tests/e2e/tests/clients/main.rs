//! Programs that people already run, each used for what it is for. README.md says what was done
//! with which.

mod aws_cli;
mod copiers;
mod data_sets;
mod file_systems;
mod heavy;
mod javascript;
mod litestream;
mod python;
mod registry;
mod restic;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hayrack_e2e::clients::{assert_same, command, plant, source};
use hayrack_e2e::rack::{Rack, Site};
use tempfile::TempDir;

/// The number of files in a planted tree: every kind of name, both multipart sizes.
const FILES: usize = 60;

/// A folder for one test, with a planted tree in `up` and an empty `down`.
struct Trees {
    folder: TempDir,
}

impl Trees {
    fn plant(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let trees = Self { folder };
        fs::create_dir(trees.up()).expect("a folder can be made");
        fs::create_dir(trees.down()).expect("a folder can be made");
        plant(&trees.up(), FILES, seed);
        trees
    }

    fn up(&self) -> PathBuf {
        self.folder.path().join("up")
    }

    fn down(&self) -> PathBuf {
        self.folder.path().join("down")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn assert_same(&self) {
        assert_same(&self.up(), &self.down());
    }
}

/// Starts a rack, lets a program work on it, and stops it.
fn with_rack(work: impl FnOnce(&Rack<'_>)) {
    let site = Site::new();
    let rack = site.start();
    work(&rack);
    assert!(rack.stop().success());
}

/// A command that runs one of the scripts beside the tests.
fn script(rack: &Rack<'_>, interpreter: &Path, name: &str) -> Command {
    let mut command = command(rack, interpreter);
    command.arg(source().join(name));
    command
}
