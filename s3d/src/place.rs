//! Where the server's state is, for commands that work beside or instead of the server.

use std::path::PathBuf;

use clap::Args;
use volumed_daemon::ConfigError;
use volumed_meta::Location;

use crate::config::{Settings, Source};

/// Each flag may be left out if the environment or the configuration file has it.
#[derive(Debug, Args)]
pub struct Place {
    /// The folder of the server's own state: its secrets and its lock
    #[arg(long, global = true, value_name = "DIR", env = "S3D_DATA")]
    data: Option<PathBuf>,
    /// The metadata store, the same as volumed's
    #[arg(long, global = true, value_name = "STORE", env = "S3D_STORE")]
    store: Option<Location>,
    /// The state folder of this node's volumed, if it is in a cluster
    #[arg(long, global = true, value_name = "DIR", env = "S3D_CLUSTER")]
    cluster: Option<PathBuf>,
    /// Certificates (PEM) that must have signed those of etcd's members
    #[arg(long, global = true, value_name = "FILE", env = "S3D_STORE_TLS_CA")]
    store_tls_ca: Option<PathBuf>,
    /// Certificate chain (PEM) that etcd's members are shown
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "S3D_STORE_TLS_CERTIFICATE"
    )]
    store_tls_certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "S3D_STORE_TLS_KEY")]
    store_tls_key: Option<PathBuf>,
    /// The admin socket of this node's volumed
    #[arg(long, global = true, value_name = "SOCKET", env = "S3D_VOLUMED")]
    volumed: Option<PathBuf>,
    /// The server's configuration file (TOML); flags win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The settings that a server there has.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let flags = Source {
            data: self.data.clone(),
            store: self.store.clone(),
            cluster: self.cluster.clone(),
            store_tls_ca: self.store_tls_ca.clone(),
            store_tls_certificate: self.store_tls_certificate.clone(),
            store_tls_key: self.store_tls_key.clone(),
            volumed: self.volumed.clone(),
            ..Source::default()
        };
        Settings::load(&flags, self.config.as_deref())
    }
}
