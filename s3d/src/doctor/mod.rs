//! `s3d doctor`: what is wrong with the server that has these settings, and what cures it. It looks
//! from outside, so that it works whether the server runs or not.

mod certificate;
mod clock;
mod files;
mod process;
mod readiness;

use std::net::SocketAddr;

use volumed_client::admin::Finding;
use volumed_daemon::{ConfigError, volumed_findings};

use crate::config::Settings;
use crate::quickstart::reachable;

/// Everything that is wrong now.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut found = volumed_findings(&settings.volumed).await;
    found.extend(files::examine(settings));
    found.extend(process::examine(&settings.data));
    if let Some(files) = &settings.tls {
        found.extend(certificate::examine(files));
    }
    found.extend(clock::examine());
    found.extend(of_server(settings).await);
    found
}

/// Why the settings cannot be read.
pub fn of_settings(error: &ConfigError) -> Finding {
    Finding::fault(
        "settings",
        format!("The settings cannot be used: {error}."),
        "Correct them; s3d serve --check-config with the same flags says when they are right.",
    )
}

async fn of_server(settings: &Settings) -> Vec<Finding> {
    let address = reachable(settings.api_listen);
    match readiness::ask(address, settings.tls.as_ref()).await {
        Ok((status, _)) if status.is_success() => of_s3(reachable(settings.s3_listen)).await,
        Ok((_, reasons)) => reasons.lines().map(not_ready).collect(),
        Err(error) => vec![Finding::fault(
            "s3d_not_running",
            format!("The REST API does not answer on {address}: {error:#}."),
            "systemctl start s3d, or s3d serve; journalctl -u s3d says why it ended.",
        )],
    }
}

fn not_ready(reason: &str) -> Finding {
    Finding::fault(
        "s3d_not_ready",
        format!("s3d does not serve requests: {reason}."),
        "journalctl -u s3d -u volumed says more; what is said of volumed and the store comes first.",
    )
}

async fn of_s3(address: SocketAddr) -> Vec<Finding> {
    match tokio::net::TcpStream::connect(address).await {
        Ok(_) => Vec::new(),
        Err(error) => vec![Finding::fault(
            "s3_not_listening",
            format!("Nobody can connect to S3 on {address}: {error}."),
            "Compare s3_listen with the settings of the server that runs: s3d serve --check-config.",
        )],
    }
}
