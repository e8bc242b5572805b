//! Whether the daemons answer.

use std::net::SocketAddr;

use volumed_client::admin::AdminClient;

use super::daemon::Which;
use super::http;
use super::settings::{Settings, reachable};

/// Where to ask.
#[derive(Debug)]
pub struct Health {
    admin: AdminClient,
    s3: SocketAddr,
    api: SocketAddr,
}

impl Health {
    /// Where the daemons of these settings answer.
    pub fn of(settings: &Settings) -> Self {
        Self {
            admin: AdminClient::new(settings.admin_socket()),
            s3: reachable(settings.s3_listen),
            api: reachable(settings.api_listen),
        }
    }

    /// Whether this daemon answers now.
    pub async fn answers(&self, which: Which) -> bool {
        match which {
            Which::Volumed => self.admin.pool().await.is_ok(),
            Which::S3d => {
                http::request(self.s3, "/", None, None).await.is_ok()
                    && http::request(self.api, "/healthz", None, None)
                        .await
                        .is_ok_and(|answer| answer.status.is_success())
            }
        }
    }
}
