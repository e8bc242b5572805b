//! Certificates that renew themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::certificate::NodeCertificate;
use crate::cluster::{Cluster, now};

use super::node::renew;
use super::signer::Signer;

/// However long a certificate lives: clocks are set, and computers sleep.
const LOOK: u64 = 60 * 60;
/// Between attempts that fail, at most.
const RETRY: u64 = 10 * 60;

/// Renews this node's certificate whenever two thirds of its life are over, until it is dropped. One that expired
/// while the node was off cannot be renewed: the node has to join again, with a token.
pub async fn renew_regularly(cluster: Arc<Cluster>, signer: Signer) {
    loop {
        let certificate = cluster.identity().certificate();
        let wait = certificate.renew_at().saturating_sub(now());
        if wait > 0 {
            sleep(Duration::from_secs(wait.min(LOOK))).await;
            continue;
        }
        match renew(&cluster, &signer).await {
            Ok(()) => tracing::info!("this node's certificate was renewed"),
            Err(error) => {
                tracing::warn!(%error, "this node's certificate cannot be renewed yet");
                sleep(before_retry(certificate, now())).await;
            }
        }
    }
}

/// The certificate that a node signs for itself.
const ALONE: u64 = 60 * 60;
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Sees to it that a node which signs has a certificate that is valid by its own clock, until it is dropped. After a
/// rack was off for longer than certificates live, nobody else could be asked, and no store answers before etcd has
/// one. It is for an hour and in no record; [`renew_regularly`] takes one that is as soon as that is due.
pub async fn stay_valid(cluster: Arc<Cluster>) {
    loop {
        let certificate = cluster.identity().certificate();
        let is_valid = (certificate.begins..certificate.expires).contains(&now());
        if !is_valid && cluster.authority().is_some() {
            match cluster.sign_own(ALONE).await {
                Ok(()) => tracing::warn!(
                    "this node's certificate was not valid: it signed another for itself"
                ),
                Err(error) => tracing::error!(%error, "this node's certificate is not valid"),
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Short before its end, for nobody should have to come and join the node again.
fn before_retry(certificate: NodeCertificate, now: u64) -> Duration {
    let left = certificate.expires.saturating_sub(now);
    Duration::from_secs((left / 10).clamp(1, RETRY))
}
