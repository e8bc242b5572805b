//! Settings: flags, then the environment, then one TOML file, then defaults.
//!
//! A daemon describes its settings once, as a struct of options that is at the same time clap's
//! arguments (flags and environment) and the form of the file: a setting has one name everywhere,
//! `--s3-listen`, `S3D_S3_LISTEN`, `s3_listen`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

/// Where the configuration file is, and whether it is only to be checked.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFile {
    /// Configuration file (TOML); flags and environment variables win over it
    #[arg(long = "config", value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Print the settings that would be in force, once the files that they name were read, and exit
    #[arg(long)]
    pub check_config: bool,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not TOML, or has a setting that does not exist or cannot have its value.
    #[error("the configuration file {} is wrong in line {line}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A flag or an environment variable does not fit the file.
    #[error("the settings do not fit together: {0}")]
    Unfit(String),
    /// A value is not possible; the sentence names the setting.
    #[error("{0}")]
    Refused(String),
    /// A relative path has no meaning, since the current folder is gone.
    #[error("cannot find the current folder: {0}")]
    NoFolder(io::Error),
}

/// What the file and `flags` say together; a flag wins. `S` takes every setting as optional.
pub fn load<S: DeserializeOwned>(
    file: Option<&Path>,
    flags: &impl Serialize,
) -> Result<S, ConfigError> {
    let unfit = |error: &dyn std::fmt::Display| ConfigError::Unfit(error.to_string());
    let mut settings = match file {
        Some(path) => read::<S>(path)?,
        None => Table::new(),
    };
    settings.extend(Table::try_from(flags).map_err(|error| unfit(&error))?);
    settings.try_into().map_err(|error| unfit(&error))
}

/// The file's settings, after a check that each of them is one of `S`.
fn read<S: DeserializeOwned>(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let malformed = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        ConfigError::Malformed {
            path: path.to_owned(),
            line: text[..offset.min(text.len())].matches('\n').count() + 1,
            reason: error.message().replace('\n', " "),
        }
    };
    toml::from_str::<S>(&text).map_err(|error| malformed(&error))?;
    text.parse().map_err(|error| malformed(&error))
}

/// The settings in force as a configuration file that sets them all.
pub fn in_force(settings: &impl Serialize) -> Result<String, ConfigError> {
    toml::to_string(settings).map_err(|error| ConfigError::Unfit(error.to_string()))
}

/// The path from the root on.
pub fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(ConfigError::NoFolder)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: Option<String>,
        port: Option<u16>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        disks: Vec<PathBuf>,
    }

    fn with_file(text: &str, flags: &Settings) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), flags)
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Settings {
            port: Some(7),
            ..Settings::default()
        };
        let text = "name = \"x\"\nport = 6\ndisks = [\"/a\"]\n";
        let expected = Settings {
            name: Some("x".to_owned()),
            port: Some(7),
            disks: vec!["/a".into()],
        };
        assert_eq!(with_file(text, &flags).unwrap(), expected);
        assert_eq!(load::<Settings>(None, &flags).unwrap(), flags);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let sentence = |text: &str| {
            with_file(text, &Settings::default())
                .unwrap_err()
                .to_string()
        };
        let misspelt = sentence("port = 1\n\n# why\ndisk = [\"/a\"]\n");
        assert!(misspelt.contains("line 4"), "{misspelt}");
        assert!(misspelt.contains("unknown field `disk`"), "{misspelt}");
        let out_of_range = sentence("name = \"x\"\nport = 65536\n");
        assert!(out_of_range.contains("line 2"), "{out_of_range}");
        let no_toml = sentence("name = x\n");
        assert!(no_toml.contains("line 1"), "{no_toml}");
    }

    #[test]
    fn a_file_that_is_absent_is_named() {
        let refusal = load::<Settings>(Some(Path::new("/nowhere.toml")), &Settings::default());
        let sentence = refusal.unwrap_err().to_string();
        assert!(sentence.contains("/nowhere.toml"), "{sentence}");
    }

    #[test]
    fn what_is_in_force_can_be_read_again() {
        let settings = Settings {
            name: Some("a \"b\"".to_owned()),
            port: Some(1),
            disks: vec!["/a".into(), "/b".into()],
        };
        let text = in_force(&settings).unwrap();
        assert_eq!(with_file(&text, &Settings::default()).unwrap(), settings);
    }
}
