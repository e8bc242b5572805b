//! `data/env`: what a first start created, for shells to source and for later starts to reuse.
//!
//! One `export KEY='value'` a line; a quote in a value is written `'\''`. Owner-only (0600), replaced
//! as a whole, so that a reader never sees half of it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The variables, and the file that holds them.
#[derive(Debug)]
pub struct EnvFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl EnvFile {
    /// Reads the file; one that does not exist is empty.
    ///
    /// # Errors
    /// When it cannot be read, or a line is none that [`EnvFile::save`] writes.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", path.display()));
            }
        };
        let values = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                parse(line).with_context(|| {
                    format!(
                        "{} holds the line {line:?}, which is not export KEY='value'",
                        path.display()
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            values,
        })
    }

    /// A variable's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A variable that a finished first start has set.
    ///
    /// # Errors
    /// When someone took it out of the file.
    pub fn need(&self, key: &str) -> anyhow::Result<&str> {
        self.get(key)
            .with_context(|| format!("{} has no {key}", self.path.display()))
    }

    /// Sets a variable; it is not in the file before [`EnvFile::save`].
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Replaces the file, durably.
    pub fn save(&self) -> anyhow::Result<()> {
        self.write()
            .with_context(|| format!("could not write {}", self.path.display()))
    }

    fn write(&self) -> io::Result<()> {
        let next = self.path.with_extension("next");
        // One that a crash left may have other permissions.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)?;
        for (key, value) in &self.values {
            writeln!(file, "export {key}='{}'", value.replace('\'', r"'\''"))?;
        }
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        self.path
            .parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

fn parse(line: &str) -> Option<(String, String)> {
    let (key, quoted) = line.strip_prefix("export ")?.split_once('=')?;
    let value = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((key.to_owned(), value.replace(r"'\''", "'")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    const AWKWARD: &str = r#"it's "$HOME" `id` \ a;b"#;

    fn saved() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let mut env = EnvFile::load(&path).unwrap();
        env.set("AWKWARD", AWKWARD);
        env.set("PLAIN", "7");
        env.save().unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let (_folder, path) = saved();
        let env = EnvFile::load(&path).unwrap();
        assert_eq!(env.get("AWKWARD"), Some(AWKWARD));
        assert_eq!(env.need("PLAIN").unwrap(), "7");
        assert!(env.need("MISSING").is_err());
    }

    #[test]
    fn a_shell_reads_the_same_values() {
        let (_folder, path) = saved();
        let script = format!(". {} && printenv AWKWARD", path.display());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim_end(),
            AWKWARD
        );
    }

    #[test]
    fn only_the_owner_may_read_it() {
        let (_folder, path) = saved();
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_line_of_another_form_is_refused() {
        let (_folder, path) = saved();
        fs::write(&path, "A=b\n").unwrap();
        assert!(EnvFile::load(&path).is_err());
    }
}
