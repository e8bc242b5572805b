//! The same secrets on every node of a cluster: whoever has them gives them to nodes of the cluster, and to
//! nobody else; whoever lacks them asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use s3d_accounts::secrets::{self, Former};
use s3d_accounts::{Accounts, SealError};
use s3d_rack::{Nodes, SECRETS, fetch_secrets};
use tokio::time::sleep;
use volumed_cluster::Cluster;
use volumed_meta::MetaStore;

/// How long to wait before the other nodes are asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often is looked whether another node changed the secrets.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whom the secrets are asked from, and where they go.
pub struct SecretSharing {
    pub cluster: Arc<Cluster>,
    pub nodes: Arc<Nodes>,
    pub store: Arc<dyn MetaStore>,
    /// The state folder of this server.
    pub folder: PathBuf,
}

impl SecretSharing {
    /// Until this node has the secrets of the store; it makes them if there are none yet.
    pub async fn ensure(&self) -> Result<(), secrets::SecretsError> {
        let mut said = false;
        while !secrets::claim(self.store.clone(), &self.folder).await? {
            if self.fetch(Former::Kept).await? {
                return Ok(());
            }
            if !said {
                tracing::warn!(
                    "waiting for another node's s3d that gives the secrets, without which no key opens; \
                     if none is left, run s3d secrets restore with their backup"
                );
                said = true;
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Asks for the secrets again whenever another node has replaced them, for ever.
    pub async fn follow(&self, accounts: &Accounts) {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(SealError::OtherKey { .. }) = accounts.check_seal().await
                && let Err(error) = self.fetch(Former::Gone).await
            {
                tracing::warn!(%error, "the new secrets cannot be taken");
            }
        }
    }

    /// Whether another node gave those of the store.
    async fn fetch(&self, former: Former) -> Result<bool, secrets::SecretsError> {
        let Some(given) = fetch_secrets(&self.cluster, &self.nodes).await else {
            return Ok(false);
        };
        match secrets::take(self.store.clone(), &self.folder, &given, former).await {
            // That node has yet to hear of a rotation.
            Err(secrets::SecretsError::OtherKey) => Ok(false),
            taken => {
                taken?;
                tracing::info!("another node gave the secrets");
                Ok(true)
            }
        }
    }
}

/// The call that gives them to another node.
pub fn giving(folder: &Path) -> Router {
    let folder = folder.to_owned();
    let give = move || async move { answer(&folder) };
    Router::new().route(SECRETS, get(give))
}

fn answer(folder: &Path) -> Response {
    match secrets::give(folder) {
        Ok(text) => {
            tracing::info!("the secrets were given to another node of the cluster");
            text.into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "the secrets cannot be given to another node");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
