//! s3d's settings, as far as they are the same on every node of the rack.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What every node's `s3d.toml` has. The image brings it whole, since it has to fit the router; the node itself needs
/// only the fields that are named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct S3d {
    /// What the rack's hosts end in.
    pub domain: String,
    /// Where S3 is served.
    pub s3_listen: SocketAddr,
    /// Where the REST API is served.
    pub api_listen: SocketAddr,
    /// The file with certificate and key; none when the router ends TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// All else.
    #[serde(flatten)]
    pub rest: toml::Table,
}

impl S3d {
    /// The ports that clients and the router come to.
    pub fn ports(&self) -> [u16; 2] {
        [self.s3_listen.port(), self.api_listen.port()]
    }

    /// The names that clients call the rack by, as a certificate covers them.
    pub fn hosts(&self) -> [String; 3] {
        let domain = &self.domain;
        [
            format!("s3.{domain}"),
            format!("*.s3.{domain}"),
            format!("s3-api.{domain}"),
        ]
    }
}
