//! Where everything is: from the environment, with defaults for a laptop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;

/// The settings of one quickstart.
#[derive(Debug)]
pub struct Settings {
    /// The folder of all state (`HAYRACK_DATA`), absolute.
    pub data: PathBuf,
    /// Where S3 is served (`HAYRACK_S3_LISTEN`).
    pub s3_listen: SocketAddr,
    /// Where the REST API is served (`HAYRACK_API_LISTEN`).
    pub api_listen: SocketAddr,
    /// The own binary.
    pub s3d: PathBuf,
    /// The volumed binary, beside the own one.
    pub volumed: PathBuf,
}

/// What S3 hosts end in: `s3.<domain>`.
pub const DOMAIN: &str = "localhost";
/// What the S3 server calls its region; clients may sign with any.
pub const REGION: &str = "us-east-1";

impl Settings {
    /// Reads `HAYRACK_DATA`, `HAYRACK_S3_LISTEN` and `HAYRACK_API_LISTEN`.
    ///
    /// # Errors
    /// When one of them cannot be meant.
    pub fn from_environment() -> anyhow::Result<Self> {
        let data = std::env::var_os("HAYRACK_DATA").unwrap_or_else(|| "data".into());
        let s3d = std::env::current_exe().context("could not find the own binary")?;
        Ok(Self {
            data: std::path::absolute(PathBuf::from(data)).context("HAYRACK_DATA is empty")?,
            s3_listen: address("HAYRACK_S3_LISTEN", "127.0.0.1:9000")?,
            api_listen: address("HAYRACK_API_LISTEN", "127.0.0.1:9001")?,
            volumed: s3d.with_file_name("volumed"),
            s3d,
        })
    }

    /// The one disk of the pool.
    pub fn disk(&self) -> PathBuf {
        self.data.join("disk0")
    }

    /// volumed's state.
    pub fn volumed_state(&self) -> PathBuf {
        self.data.join("volumed")
    }

    /// s3d's state.
    pub fn s3d_state(&self) -> PathBuf {
        self.data.join("s3d")
    }

    /// The socket of volumed's admin API.
    pub fn admin_socket(&self) -> PathBuf {
        self.volumed_state().join("admin.sock")
    }

    /// The metadata store that both daemons open.
    pub fn store(&self) -> PathBuf {
        self.volumed_state().join("meta.db")
    }

    /// What a shell sources.
    pub fn env_file(&self) -> PathBuf {
        self.data.join("env")
    }

    /// Where clients on this machine reach S3.
    pub fn s3_url(&self) -> String {
        format!("http://{}", reachable(self.s3_listen))
    }

    /// Where clients on this machine reach the REST API.
    pub fn api_url(&self) -> String {
        format!("http://{}", reachable(self.api_listen))
    }
}

/// An address that can be connected to: a listener on every address is reached over loopback.
pub fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    listen
}

fn address(variable: &str, default: &str) -> anyhow::Result<SocketAddr> {
    let value = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let address: SocketAddr = value.parse().ok().with_context(|| {
        format!("{variable} is {value:?}; it must be an address and a port, such as {default}")
    })?;
    anyhow::ensure!(
        address.port() != 0,
        "{variable} is {value:?}; it must name a port."
    );
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_over_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("192.0.2.1:9000", "192.0.2.1:9000"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
