//! Certificates that renew themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::certificate::NodeCertificate;
use crate::cluster::{Cluster, now};
use crate::join::{Signer, renew};

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

/// Short before its end, for nobody should have to come and join the node again.
fn before_retry(certificate: NodeCertificate, now: u64) -> Duration {
    let left = certificate.expires.saturating_sub(now);
    Duration::from_secs((left / 10).clamp(1, RETRY))
}
