//! Makes tokens.

use std::time::Duration;

use crate::cluster::{Cluster, now};
use crate::registry::{Registry, RegistryError};
use crate::token::JoinToken;

/// How long a token is good for, unless somebody says otherwise.
pub const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// The longest that one may be good for: it lies about in somebody's terminal.
pub const LONGEST_TOKEN_LIFE: Duration = Duration::from_hours(7 * 24);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Not for so long, or not at all.
    #[error("a token is good for 1 second to {} hours", LONGEST_TOKEN_LIFE.as_secs() / 3600)]
    Life,
    /// It was not recorded.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A token that lets one node in, once, within `life`. It leads to the nodes that sign, first to this one if it does.
pub async fn invite(
    cluster: &Cluster,
    registry: &dyn Registry,
    life: Duration,
) -> Result<JoinToken, InviteError> {
    if life.as_secs() == 0 || life > LONGEST_TOKEN_LIFE {
        return Err(InviteError::Life);
    }
    let own = cluster.own().node;
    let mut nodes = registry.nodes().await?;
    nodes.retain(|node| node.signs || node.id == own);
    nodes.sort_by_key(|node| (!node.signs, node.id != own, node.number));
    let addresses: Vec<_> = nodes.iter().map(|node| node.place.cluster()).collect();
    let now = now();
    let token = JoinToken::draw(&addresses, cluster.fingerprint(), now + life.as_secs());
    registry.offer(token.key(), token.expires, now).await?;
    Ok(token)
}
