//! The server's settings: flags and environment, then the configuration file, then defaults.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use s3d_accounts::{AccountSettings, SignUpPolicy};
use s3s::region::Region;
use serde::Deserialize;

/// What the server runs with; every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The state folder.
    pub data: PathBuf,
    /// The admin socket of this node's volumed.
    pub volumed: PathBuf,
    /// The metadata store.
    pub store: PathBuf,
    /// Where S3 is served.
    pub s3_listen: SocketAddr,
    /// Where the REST API is served.
    pub api_listen: SocketAddr,
    /// What the hosts end in.
    pub domain: String,
    /// What clients are told as region.
    pub region: Region,
    /// Threads that serve requests.
    pub workers: usize,
    /// How accounts are run.
    pub accounts: AccountSettings,
}

/// What one source says; everything may be left out. Also the configuration file.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of `Settings`")]
pub struct Source {
    pub data: Option<PathBuf>,
    pub volumed: Option<PathBuf>,
    pub store: Option<PathBuf>,
    pub s3_listen: Option<SocketAddr>,
    pub api_listen: Option<SocketAddr>,
    pub domain: Option<String>,
    pub region: Option<String>,
    pub workers: Option<usize>,
    pub sign_up: Option<SignUpPolicy>,
}

/// Why the settings cannot be had.
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
    /// The file is not what it must be.
    #[error("the configuration file {} is wrong: {source}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A setting without a default is not there.
    #[error("say where {what} is: --{flag}, or {flag} in the configuration file")]
    Missing {
        /// The flag.
        flag: &'static str,
        /// What it says.
        what: &'static str,
    },
    /// The domain cannot be one.
    #[error("the domain {0:?} is none: write it like example.org, without a port")]
    Domain(String),
    /// The region cannot be one.
    #[error("the region {0:?} is none: write it like us-east-1")]
    Region(String),
    /// No threads.
    #[error("at least one thread must serve requests: --workers 1")]
    NoWorkers,
    /// The present folder is gone.
    #[error("cannot tell the present folder: {0}")]
    NoFolder(io::Error),
}

impl Settings {
    /// Puts flags, file and defaults together.
    pub fn load(flags: Source, file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = file.map(Source::read).transpose()?.unwrap_or_default();
        let path = |flag: Option<PathBuf>, file: Option<PathBuf>, name, what| {
            let path = flag
                .or(file)
                .ok_or(ConfigError::Missing { flag: name, what })?;
            std::path::absolute(path).map_err(ConfigError::NoFolder)
        };
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let domain = flags
            .domain
            .or(file.domain)
            .unwrap_or_else(|| "localhost".to_owned());
        let region = flags
            .region
            .or(file.region)
            .unwrap_or_else(|| "us-east-1".to_owned());
        let workers = flags.workers.or(file.workers).unwrap_or(1);
        if workers == 0 {
            return Err(ConfigError::NoWorkers);
        }
        Ok(Self {
            data: path(flags.data, file.data, "data", "the state folder")?,
            volumed: path(
                flags.volumed,
                file.volumed,
                "volumed",
                "volumed's admin socket",
            )?,
            store: path(flags.store, file.store, "store", "the metadata store")?,
            s3_listen: flags.s3_listen.or(file.s3_listen).unwrap_or(local(9000)),
            api_listen: flags.api_listen.or(file.api_listen).unwrap_or(local(9001)),
            domain: checked_domain(domain)?,
            region: Region::new(region.clone().into()).map_err(|_| ConfigError::Region(region))?,
            workers,
            accounts: AccountSettings {
                sign_up: flags.sign_up.or(file.sign_up).unwrap_or_default(),
            },
        })
    }
}

impl Source {
    /// What a configuration file says.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Malformed {
            path: path.to_owned(),
            source,
        })
    }
}

fn checked_domain(domain: String) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    if domain.split('.').all(label) {
        Ok(domain)
    } else {
        Err(ConfigError::Domain(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Source {
        Source {
            data: Some("/d".into()),
            volumed: Some("/v/admin.sock".into()),
            store: Some("/v/meta.db".into()),
            ..Source::default()
        }
    }

    fn with_file(text: &str, flags: Source) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s3d.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(flags, Some(&file))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let text = "data = \"/other\"\ndomain = \"example.org\"\ns3_listen = \"0.0.0.0:80\"\n";
        let settings = with_file(text, flags()).unwrap();
        assert_eq!(settings.data, PathBuf::from("/d"));
        assert_eq!(settings.domain, "example.org");
        assert_eq!(settings.s3_listen, "0.0.0.0:80".parse().unwrap());
        assert_eq!(settings.api_listen, "127.0.0.1:9001".parse().unwrap());
        assert_eq!(
            (settings.region.as_str(), settings.workers),
            ("us-east-1", 1)
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let sentence = |outcome: Result<Settings, ConfigError>| outcome.unwrap_err().to_string();
        let missing = sentence(Settings::load(
            Source {
                store: None,
                ..flags()
            },
            None,
        ));
        assert_eq!(
            missing,
            "say where the metadata store is: --store, or store in the configuration file"
        );
        let misspelt = sentence(with_file("domian = \"x\"\n", flags()));
        assert!(misspelt.contains("unknown field `domian`"), "{misspelt}");
        for domain in ["", "a..b", "a:80", "a b", ".a"] {
            let flags = Source {
                domain: Some(domain.into()),
                ..flags()
            };
            assert!(
                matches!(Settings::load(flags, None), Err(ConfigError::Domain(_))),
                "{domain}"
            );
        }
        let none = Source {
            workers: Some(0),
            ..flags()
        };
        assert!(matches!(
            Settings::load(none, None),
            Err(ConfigError::NoWorkers)
        ));
    }
}
