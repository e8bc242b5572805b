//! `env`: what the first start created, for shells to source and for later starts to use again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// One `export KEY='value'` a line, none of whose values holds a quote; the owner's alone.
#[derive(Debug)]
pub struct EnvFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl EnvFile {
    /// Reads the file; one that does not exist is empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("could not read {}", path.display()))?,
        };
        let values = text.lines().filter_map(|line| {
            let (key, quoted) = line.strip_prefix("export ")?.split_once('=')?;
            Some((key.to_owned(), quoted.trim_matches('\'').to_owned()))
        });
        Ok(Self {
            path: path.to_owned(),
            values: values.collect(),
        })
    }

    /// Removes the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(path: &Path) -> anyhow::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// A variable's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A variable that a finished first start has set.
    ///
    /// # Errors
    /// When somebody took it out of the file.
    pub fn need(&self, key: &str) -> anyhow::Result<&str> {
        let path = self.path.display();
        self.get(key)
            .with_context(|| format!("{path} has no {key}: `make rack FRESH=1` begins anew"))
    }

    /// Sets a variable; it is not in the file before [`EnvFile::save`].
    pub fn set(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> anyhow::Result<()> {
        let next = self.path.with_extension("next");
        Self::remove(&next)?;
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)?;
        for (key, value) in &self.values {
            if value.contains('\'') {
                bail!("{key} cannot have a quote in it");
            }
            writeln!(file, "export {key}='{value}'")?;
        }
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        Ok(())
    }
}
