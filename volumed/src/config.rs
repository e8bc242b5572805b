//! The daemon's settings: flags, then the configuration file, then defaults.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use volumed_core::ByteCount;

use crate::cli::ServeArgs;
use crate::size;
use crate::volume::DiskSettings;

/// What the daemon runs with; every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The state folder.
    pub data: PathBuf,
    /// The disks of the pool.
    pub disks: Vec<DiskSettings>,
    /// The metadata store.
    pub store: PathBuf,
    /// The admin API's socket.
    pub admin_socket: PathBuf,
    /// The NBD socket.
    pub nbd_socket: PathBuf,
    /// Threads that serve NBD connections.
    pub nbd_threads: usize,
}

/// The configuration file (TOML). Everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    disks: Vec<Disk>,
    store: Option<PathBuf>,
    admin_socket: Option<PathBuf>,
    nbd_socket: Option<PathBuf>,
    nbd_threads: Option<usize>,
}

/// `"/srv/ssd0"`, or `{ path = "/srv/ssd0", capacity = "500GiB", reserve = "2GiB" }`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a disk is a directory, or a table of path, capacity, reserve"
)]
enum Disk {
    Path(PathBuf),
    Limited(LimitedDisk),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitedDisk {
    path: PathBuf,
    #[serde(default, deserialize_with = "byte_count")]
    capacity: Option<ByteCount>,
    #[serde(default, deserialize_with = "byte_count")]
    reserve: Option<ByteCount>,
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
    /// The present folder is gone.
    #[error("cannot tell the present folder: {0}")]
    NoFolder(io::Error),
}

impl Settings {
    /// Puts flags, file and defaults together.
    pub fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let file = args
            .config
            .as_deref()
            .map(File::read)
            .transpose()?
            .unwrap_or_default();
        let data = absolute(&args.data)?;
        let pick = |flag: &Option<PathBuf>, file: Option<PathBuf>, name: &str| {
            flag.clone()
                .or(file)
                .map_or(Ok(data.join(name)), |path| absolute(&path))
        };
        let mut disks = file.disks;
        if !args.disks.is_empty() {
            disks = args.disks.iter().cloned().map(Disk::Path).collect();
        }
        if disks.is_empty() {
            disks.push(Disk::Path(data.join("disk")));
        }
        Ok(Self {
            disks: disks
                .into_iter()
                .map(Disk::settings)
                .collect::<Result<_, _>>()?,
            store: pick(&args.store, file.store, "meta.db")?,
            admin_socket: pick(&args.admin_socket, file.admin_socket, "admin.sock")?,
            nbd_socket: pick(&args.nbd_socket, file.nbd_socket, "nbd.sock")?,
            nbd_threads: file.nbd_threads.unwrap_or_else(default_threads),
            data,
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
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

impl Disk {
    fn settings(self) -> Result<DiskSettings, ConfigError> {
        let (path, capacity, reserve) = match self {
            Self::Path(path) => (path, None, None),
            Self::Limited(disk) => (disk.path, disk.capacity, disk.reserve),
        };
        Ok(DiskSettings {
            path: absolute(&path)?,
            capacity,
            reserve,
        })
    }
}

fn byte_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteCount>, D::Error> {
    let text = String::deserialize(deserializer)?;
    size::parse(&text)
        .map(|bytes| Some(ByteCount(bytes)))
        .map_err(serde::de::Error::custom)
}

fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(ConfigError::NoFolder)
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(config: Option<PathBuf>) -> ServeArgs {
        ServeArgs {
            data: "/d".into(),
            disks: vec![],
            config,
            store: Some("/elsewhere.db".into()),
            admin_socket: None,
            nbd_socket: None,
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("volumed.toml");
        let text = "disks = [\"/ssd0\", { path = \"/ssd1\", capacity = \"1GiB\" }]\nstore = \"/file.db\"\nadmin_socket = \"/a.sock\"\n";
        std::fs::write(&config, text).unwrap();
        let settings = Settings::load(&args(Some(config))).unwrap();
        let plain = DiskSettings {
            path: "/ssd0".into(),
            capacity: None,
            reserve: None,
        };
        let capacity = Some(ByteCount(1 << 30));
        let limited = DiskSettings {
            path: "/ssd1".into(),
            capacity,
            reserve: None,
        };
        assert_eq!(settings.disks, [plain, limited]);
        assert_eq!(settings.store, PathBuf::from("/elsewhere.db"));
        assert_eq!(settings.admin_socket, PathBuf::from("/a.sock"));
        assert_eq!(settings.nbd_socket, PathBuf::from("/d/nbd.sock"));
    }

    #[test]
    fn without_a_disk_the_state_folder_has_one() {
        let settings = Settings::load(&args(None)).unwrap();
        assert_eq!(settings.disks[0].path, PathBuf::from("/d/disk"));
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("volumed.toml");
        std::fs::write(&config, "disk = [\"/ssd0\"]\n").unwrap();
        let error = Settings::load(&args(Some(config))).unwrap_err().to_string();
        assert!(error.contains("unknown field `disk`"), "{error}");
    }
}
