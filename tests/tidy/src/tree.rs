//! The files of the tree.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Every text file that belongs to the tree, by path from its root.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: Vec<(String, String)>,
}

impl Tree {
    /// What git tracks, and what it would track: everything that is not ignored.
    pub fn of_git(root: &Path) -> anyhow::Result<Self> {
        let output = Command::new("git")
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "-z",
            ])
            .current_dir(root)
            .output()
            .context("git cannot be started")?;
        ensure!(
            output.status.success(),
            "git ls-files failed in {}",
            root.display()
        );
        let names = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
        let files = names
            .split_terminator('\0')
            // A tracked file may be deleted but not yet committed so; what is no text has no rules.
            .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root.join(name)).ok()?)))
            .collect();
        Ok(Self { files })
    }

    /// A tree of these paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self {
            files: files.iter().map(owned).collect(),
        }
    }

    /// Path and text of every file.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files of Rust code.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| has_extension(path, "rs"))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files()
            .find(|(own, _)| *own == path)
            .map(|(_, text)| text)
    }
}

fn has_extension(path: &str, wanted: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == wanted)
}
