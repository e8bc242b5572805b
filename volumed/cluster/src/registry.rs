//! What the cluster keeps of its nodes: the face of it.

use async_trait::async_trait;

use crate::id::NodeId;
use crate::node::{Issued, Node, NodeDrain, NodeName, Place, PlaceError, RemovedNode};
use crate::proof::TokenKey;

/// A node that asks to be let in. It has proved that it has the key of its id, and the token's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: NodeId,
    /// What it shall be called.
    pub name: NodeName,
    /// Where it is.
    pub place: Place,
    /// The certificate that it will get.
    pub certificate: Issued,
}

/// Nodes and join tokens, durably, the same for everybody who asks at the same time. Times are in seconds
/// since 1970.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Every node, by number.
    async fn nodes(&self) -> Result<Vec<Node>, RegistryError>;

    /// Every node that was removed, by number.
    async fn removed(&self) -> Result<Vec<RemovedNode>, RegistryError>;

    /// Records the first node of a cluster, with number 1.
    async fn found(&self, first: &Node) -> Result<(), AdmitError>;

    /// Lets whoever holds the secret to `token` in, once, until it expires.
    async fn offer(&self, token: TokenKey, expires: u64, now: u64) -> Result<(), RegistryError>;

    /// Lets a node in and uses the token up, or does neither. Asked again for the same node with the same
    /// token, it answers again: the node may not have heard the first answer. A node that is in already
    /// keeps its number, and moves to the place that it names now.
    async fn admit(
        &self,
        token: TokenKey,
        candidate: &Candidate,
        now: u64,
    ) -> Result<Node, AdmitError>;

    /// Notes a certificate for a node that is in, before the node gets it.
    async fn renew(&self, node: NodeId, certificate: Issued, now: u64) -> Result<Node, RenewError>;

    /// Lets a node have the authority's key.
    async fn let_sign(&self, node: NodeId) -> Result<(), RenewError>;

    /// Has a node be emptied, which goes on as it is if it was begun; or, with `None`, be used again.
    async fn order_drain(
        &self,
        node: NodeId,
        drain: Option<NodeDrain>,
    ) -> Result<(), OrderDrainError>;

    /// Forgets every token.
    async fn forget_tokens(&self) -> Result<(), RegistryError>;

    /// Removes a node for good, and every token that was not used: whoever has the node's key might have
    /// made some.
    async fn remove(&self, node: NodeId, now: u64) -> Result<RemovedNode, RemoveError>;
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] volumed_meta::StoreError),
    /// A record is not what it must be.
    #[error("the record {key} is damaged: {why}")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// A record of a newer program.
    #[error("the record {key} was written by a newer volumed (form {version}): install that")]
    Newer {
        /// Its key.
        key: String,
        /// Its form.
        version: u32,
    },
}

/// Why a node was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// No such token.
    #[error(
        "this cluster has no such token, or it expired and was forgotten; make one with `volumed cluster token`"
    )]
    UnknownToken,
    /// Its time is over.
    #[error("the token has expired; make another with `volumed cluster token`")]
    Expired,
    /// Another node used it.
    #[error("the token was used by another node; make another with `volumed cluster token`")]
    Used,
    /// Its key was removed.
    #[error(
        "this node was removed from the cluster; to join as a new one, remove its folder DATA/cluster first"
    )]
    Removed,
    /// A name that another node has.
    #[error("another node is called {0}; join with another --name")]
    NameTaken(NodeName),
    /// An address and port that another node has.
    #[error("node {0} is at that address; join with this node's own --address")]
    PlaceTaken(NodeName),
    /// No place at all.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// 65,535 nodes were in the cluster.
    #[error("no node number is left")]
    Full,
    /// The store has nodes already.
    #[error("the store belongs to a cluster already")]
    Founded,
    /// Nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a node gets no further certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It is not in the cluster.
    #[error("no such node is in the cluster; join again with a token")]
    Unknown,
    /// Nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a node is emptied, or used, as before.
#[derive(Debug, thiserror::Error)]
pub enum OrderDrainError {
    /// It is not in the cluster.
    #[error("no such node is in the cluster")]
    Unknown,
    /// Nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a node was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It is not in the cluster.
    #[error("no such node is in the cluster")]
    Unknown,
    /// Nobody would be left.
    #[error("it is the cluster's only node")]
    Last,
    /// Nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

macro_rules! from_store {
    ($($error:ty),*) => {
        $(impl From<volumed_meta::StoreError> for $error {
            fn from(error: volumed_meta::StoreError) -> Self {
                Self::Registry(error.into())
            }
        })*
    };
}

from_store!(AdmitError, RenewError, RemoveError);
