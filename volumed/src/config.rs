//! The daemon's settings: flags, then the environment, then the configuration file, then defaults.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use volumed_core::{ByteCount, size};
use volumed_daemon::{ConfigError, LogFormat, LogSettings, absolute};
use volumed_listener::{Tls, TlsError, TlsFiles};
use volumed_meta::Location;
use volumed_node::{DiskSettings, ScrubSettings};

use crate::schedule::Schedule;

/// The settings as flags, environment and file give them: everything may be left out.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Folder for the daemon's state; created if absent [default: data/volumed]
    #[arg(long, value_name = "DIR", env = "VOLUMED_DATA")]
    pub data: Option<PathBuf>,
    /// Directory of a disk to give to the pool; may be repeated [default: DATA/disk]
    #[arg(long = "disk", value_name = "DIR")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Metadata store: an SQLite file, or the members of an etcd, etcd://HOST:PORT,HOST:PORT [default:
    /// DATA/meta.db]
    #[arg(long, value_name = "STORE", env = "VOLUMED_STORE")]
    pub store: Option<Location>,
    /// Certificates (PEM) that must have signed those of etcd's members, which then speak TLS
    #[arg(long, value_name = "FILE", env = "VOLUMED_STORE_TLS_CA")]
    pub store_tls_ca: Option<PathBuf>,
    /// Certificate chain (PEM) that etcd's members are shown
    #[arg(long, value_name = "FILE", env = "VOLUMED_STORE_TLS_CERTIFICATE")]
    pub store_tls_certificate: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "VOLUMED_STORE_TLS_KEY")]
    pub store_tls_key: Option<PathBuf>,
    /// Socket of the admin API [default: DATA/admin.sock]
    #[arg(long, value_name = "PATH", env = "VOLUMED_ADMIN_SOCKET")]
    pub admin_socket: Option<PathBuf>,
    /// Socket for NBD [default: DATA/nbd.sock]
    #[arg(long, value_name = "PATH", env = "VOLUMED_NBD_SOCKET")]
    pub nbd_socket: Option<PathBuf>,
    /// Socket on which a volume's owner gets its extents' files [default: DATA/extents.sock]
    #[arg(long, value_name = "PATH", env = "VOLUMED_EXTENTS_SOCKET")]
    pub extents_socket: Option<PathBuf>,
    /// Address on which /metrics, /healthz and /readyz are served over HTTP [default: only on the
    /// admin socket]
    #[arg(long, value_name = "ADDRESS", env = "VOLUMED_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Address on which NBD is served to other machines, by TCP; others than loopback need the
    /// nbd_tls settings [default: none]
    #[arg(long, value_name = "ADDRESS", env = "VOLUMED_NBD_LISTEN")]
    pub nbd_listen: Option<SocketAddr>,
    /// Certificate chain of nbd_listen (PEM); clients must then speak TLS
    #[arg(long, value_name = "FILE", env = "VOLUMED_NBD_TLS_CERTIFICATE")]
    pub nbd_tls_certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "VOLUMED_NBD_TLS_KEY")]
    pub nbd_tls_key: Option<PathBuf>,
    /// Certificates (PEM) that must have signed the clients' own
    #[arg(long, value_name = "FILE", env = "VOLUMED_NBD_TLS_CLIENT_CA")]
    pub nbd_tls_client_ca: Option<PathBuf>,
    /// Connections that one address may have on nbd_listen [default: 256]
    #[arg(long, value_name = "N", env = "VOLUMED_NBD_CONNECTIONS_PER_ADDRESS")]
    pub nbd_connections_per_address: Option<usize>,
    /// Memory that the requests of all NBD connections may hold, at least 64MiB [default: an eighth of
    /// the machine's]
    #[arg(long, value_name = "SIZE", env = "VOLUMED_NBD_MEMORY", value_parser = parse_size)]
    #[serde(default, deserialize_with = "read_size", serialize_with = "write_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbd_memory: Option<ByteCount>,
    /// Threads that serve NBD connections [default: one a core, at most 4]
    #[arg(long, value_name = "N", env = "VOLUMED_NBD_THREADS")]
    pub nbd_threads: Option<usize>,
    /// How often everything on the disks is compared with its checksums: daily, weekly, monthly, never,
    /// or a number of days [default: monthly]
    #[arg(long, value_name = "SCHEDULE", env = "VOLUMED_SCRUB")]
    pub scrub: Option<Schedule>,
    /// What is read of each disk in a second for that, at most [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "VOLUMED_SCRUB_RATE", value_parser = parse_size)]
    #[serde(default, deserialize_with = "read_size", serialize_with = "write_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub_rate: Option<ByteCount>,
    /// What is moved off a disk in a second when it is drained, at most [default: 128MiB]
    #[arg(long, value_name = "SIZE", env = "VOLUMED_DRAIN_RATE", value_parser = parse_size)]
    #[serde(default, deserialize_with = "read_size", serialize_with = "write_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_rate: Option<ByteCount>,
    /// For how many seconds a node may be away before what it holds is copied elsewhere [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "VOLUMED_REBUILD_AFTER")]
    pub rebuild_after: Option<u64>,
    /// Keep the daemon's memory from being swapped; needs an unlimited RLIMIT_MEMLOCK [default: false]
    #[arg(long, value_name = "BOOL", env = "VOLUMED_LOCK_MEMORY")]
    pub lock_memory: Option<bool>,
    /// Form of the log on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "VOLUMED_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Least level that is logged: error, warn, info, debug, trace, or levels by module [default: info]
    #[arg(long, value_name = "LEVEL", env = "VOLUMED_LOG_LEVEL")]
    pub log_level: Option<String>,
}

/// `"/srv/ssd0"`, or `{ path = "/srv/ssd0", capacity = "500GiB", reserve = "2GiB" }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a disk is a directory, or a table of path, capacity, reserve"
)]
pub enum Disk {
    /// With all of its file system, less the usual reserve.
    Whole(PathBuf),
    /// With limits.
    Limited(LimitedDisk),
}

/// A disk and what may be used of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitedDisk {
    /// Its directory.
    pub path: PathBuf,
    /// Bytes that volumes may hold.
    #[serde(default, deserialize_with = "read_size", serialize_with = "write_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<ByteCount>,
    /// Bytes of the file system that stay free.
    #[serde(default, deserialize_with = "read_size", serialize_with = "write_size")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve: Option<ByteCount>,
}

/// What the daemon runs with; every path is absolute.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// The state folder.
    pub data: PathBuf,
    /// The metadata store.
    #[serde(flatten, serialize_with = "Location::serialize_settings")]
    pub store: Location,
    /// The admin API's socket.
    pub admin_socket: PathBuf,
    /// The NBD socket.
    pub nbd_socket: PathBuf,
    /// The socket on which owners get the files of their volumes' extents (V14).
    pub extents_socket: PathBuf,
    /// Where NBD is served to other machines.
    pub nbd_listen: Option<SocketAddr>,
    /// What clients must show there; without it, it is this machine's loopback.
    #[serde(flatten)]
    pub nbd_tls: Option<TlsFiles>,
    /// Connections that one address may have there.
    pub nbd_connections_per_address: usize,
    /// Bytes that the requests of all NBD connections may hold.
    #[serde(serialize_with = "write_bytes")]
    pub nbd_memory: ByteCount,
    /// Where metrics are served beside the admin socket.
    pub metrics_listen: Option<SocketAddr>,
    /// Threads that serve NBD connections.
    pub nbd_threads: usize,
    /// How often the disks are scrubbed.
    pub scrub: Schedule,
    /// Bytes that are read of each disk in a second for that, at most.
    #[serde(serialize_with = "write_bytes")]
    pub scrub_rate: ByteCount,
    /// Bytes that are moved off a disk in a second when it is drained, at most.
    #[serde(serialize_with = "write_bytes")]
    pub drain_rate: ByteCount,
    /// For how many seconds a node may be away before what it holds is copied elsewhere.
    pub rebuild_after: u64,
    /// Whether memory is kept from being swapped.
    pub lock_memory: bool,
    /// The form of the log.
    pub log_format: LogFormat,
    /// The least level that is logged.
    pub log_level: String,
    /// The disks of the pool.
    pub disks: Vec<LimitedDisk>,
}

impl Settings {
    /// Puts flags, file and defaults together.
    pub fn load(flags: &Source, file: Option<&Path>) -> Result<Self, ConfigError> {
        let source: Source = volumed_daemon::load(file, flags)?;
        let data = absolute(&source.data.unwrap_or_else(|| "data/volumed".into()))?;
        let below = |path: Option<PathBuf>, name: &str| {
            path.map_or(Ok(data.join(name)), |path| absolute(&path))
        };
        let mut disks = source.disks;
        if disks.is_empty() {
            disks.push(Disk::Whole(data.join("disk")));
        }
        let nbd_threads = source.nbd_threads.unwrap_or_else(default_threads);
        if nbd_threads == 0 {
            return refused("nbd_threads is 0: at least one thread must serve NBD connections");
        }
        let nbd_connections_per_address = source.nbd_connections_per_address.unwrap_or(256);
        if nbd_connections_per_address == 0 {
            return refused("nbd_connections_per_address is 0: leave nbd_listen out instead");
        }
        let nbd_memory = source.nbd_memory.unwrap_or_else(default_memory);
        if nbd_memory < LEAST_MEMORY {
            return refused("nbd_memory is too little: the largest requests need 64MiB");
        }
        let scrub_rate = source.scrub_rate.unwrap_or(ByteCount(64 << 20));
        if scrub_rate.0 < 1 << 20 {
            return refused("scrub_rate is below 1MiB: set scrub to never instead");
        }
        let drain_rate = source.drain_rate.unwrap_or(ByteCount(128 << 20));
        if drain_rate.0 < 1 << 20 {
            return refused("drain_rate is below 1MiB: volumed disk drain --cancel ends a drain");
        }
        let files = (
            source.nbd_tls_certificate,
            source.nbd_tls_key,
            source.nbd_tls_client_ca,
        );
        Ok(Self {
            nbd_tls: tls_of(source.nbd_listen, files)?,
            nbd_listen: source.nbd_listen,
            nbd_connections_per_address,
            nbd_memory,
            disks: disks
                .into_iter()
                .map(Disk::limited)
                .collect::<Result<_, _>>()?,
            store: store_of(
                source.store.unwrap_or_else(|| usual_store(&data)),
                (
                    source.store_tls_ca,
                    source.store_tls_certificate,
                    source.store_tls_key,
                ),
            )?,
            admin_socket: below(source.admin_socket, "admin.sock")?,
            nbd_socket: below(source.nbd_socket, "nbd.sock")?,
            extents_socket: below(source.extents_socket, "extents.sock")?,
            metrics_listen: source.metrics_listen,
            nbd_threads,
            scrub: source.scrub.unwrap_or(Schedule::MONTHLY),
            scrub_rate,
            drain_rate,
            rebuild_after: source.rebuild_after.unwrap_or(3600),
            lock_memory: source.lock_memory.unwrap_or(false),
            log_format: source.log_format.unwrap_or_default(),
            log_level: source.log_level.unwrap_or_else(|| "info".to_owned()),
            data,
        })
    }

    /// Whether the store is where it is unless settings say another place.
    pub fn has_usual_store(&self) -> bool {
        self.store == usual_store(&self.data)
    }

    /// A file of the daemon's own beside the store's, or in the state folder if the store is no file.
    pub fn beside_store(&self, what: &str) -> PathBuf {
        let file = self.store.file().map(Path::to_owned);
        let mut path = file.unwrap_or_else(|| self.data.join("meta.db"));
        path.add_extension(what);
        path
    }

    /// Reads the files that the settings name, as the start does.
    pub fn check_files(&self) -> Result<(), TlsError> {
        self.nbd_tls.as_ref().map(Tls::load).transpose()?;
        Ok(())
    }

    /// How the log is written.
    pub fn log(&self) -> LogSettings {
        LogSettings {
            format: self.log_format,
            level: self.log_level.clone(),
        }
    }

    /// How the disks are scrubbed.
    pub fn scrub_settings(&self) -> ScrubSettings {
        ScrubSettings {
            every: self.scrub.period(),
            rate: self.scrub_rate,
        }
    }

    /// The disks as the volumes take them.
    pub fn disk_settings(&self) -> Vec<DiskSettings> {
        let disks = self.disks.iter().cloned();
        disks
            .map(|disk| DiskSettings {
                path: disk.path,
                capacity: disk.capacity,
                reserve: disk.reserve,
            })
            .collect()
    }
}

impl FromStr for Disk {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(Self::Whole(path.into()))
    }
}

impl Disk {
    fn limited(self) -> Result<LimitedDisk, ConfigError> {
        let disk = match self {
            Self::Whole(path) => LimitedDisk {
                path,
                capacity: None,
                reserve: None,
            },
            Self::Limited(disk) => disk,
        };
        Ok(LimitedDisk {
            path: absolute(&disk.path)?,
            ..disk
        })
    }
}

fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteCount>, D::Error> {
    let text = String::deserialize(deserializer)?;
    size::parse(&text)
        .map(|bytes| Some(ByteCount(bytes)))
        .map_err(serde::de::Error::custom)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference to the field.
fn write_bytes<S: Serializer>(bytes: &ByteCount, serializer: S) -> Result<S::Ok, S::Error> {
    write_size(&Some(*bytes), serializer)
}

fn parse_size(text: &str) -> Result<ByteCount, size::SizeError> {
    size::parse(text).map(ByteCount)
}

fn refused<T>(sentence: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::Refused(sentence.into()))
}

fn usual_store(data: &Path) -> Location {
    data.join("meta.db").into()
}

fn store_of(
    store: Location,
    tls: (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>),
) -> Result<Location, ConfigError> {
    let store = store.with_tls(tls);
    let store = store.or_else(|error| refused(error.to_string()))?;
    store.try_map_paths(absolute)
}

/// What `nbd_listen` asks of clients: whoever is not on this machine must show a certificate.
fn tls_of(
    listen: Option<SocketAddr>,
    files: (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>),
) -> Result<Option<TlsFiles>, ConfigError> {
    match (files, listen) {
        ((None, None, None), Some(address)) if !address.ip().is_loopback() => refused(format!(
            "nbd_listen is {address}, which other machines reach: set nbd_tls_certificate, nbd_tls_key \
             and nbd_tls_client_ca, or listen on 127.0.0.1"
        )),
        ((None, None, None), _) => Ok(None),
        ((Some(certificate), Some(key), Some(client_ca)), Some(_)) => Ok(Some(TlsFiles {
            certificate: absolute(&certificate)?,
            key: absolute(&key)?,
            client_ca: absolute(&client_ca)?,
        })),
        ((Some(_), Some(_), Some(_)), None) => {
            refused("the nbd_tls settings are for nbd_listen: set it too, or leave them out")
        }
        _ => refused(
            "nbd_tls_certificate, nbd_tls_key and nbd_tls_client_ca belong together: give all or none",
        ),
    }
}

#[allow(clippy::ref_option)] // serde hands over a reference to the field.
fn write_size<S: Serializer>(size: &Option<ByteCount>, serializer: S) -> Result<S::Ok, S::Error> {
    match size {
        Some(bytes) => serializer.serialize_str(&format!("{}B", bytes.0)),
        None => serializer.serialize_none(),
    }
}

/// Two of the largest requests.
const LEAST_MEMORY: ByteCount = ByteCount(64 << 20);

fn default_memory() -> ByteCount {
    let memory = nix::sys::sysinfo::sysinfo().map_or(0, |system| system.ram_total());
    ByteCount(memory / 8).max(LEAST_MEMORY)
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4))
}

#[cfg(test)]
mod readme;

#[cfg(test)]
mod tests;
