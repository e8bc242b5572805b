//! The side that signs: lets nodes in, renews certificates, and hands the authority's key to nodes that may sign.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::authority::{AuthorityError, SigningRequest, Subject};
use crate::cluster::{Cluster, ClusterError, issue, now};
use crate::folder::{Own, write_certificates};
use crate::id::NodeId;
use crate::join::limit::{AttemptLimit, ConnectionLimit};
use crate::join::wire::{self, Answer, Bytes, Details, MAX_REQUEST, PROTOCOL, Request};
use crate::node::{Issued, Node, VERSION};
use crate::proof::{SESSION_LABEL, Session, TokenKey};
use crate::registry::{AdmitError, Candidate, Registry, RegistryError, RenewError};
use crate::tls;

/// For how long somebody may be connected.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how many seconds nobody is let in after a node was removed. What the node had open to etcd is closed by then,
/// and the tokens are forgotten that it may have made over it ([`crate::Keeper`]).
const AFTER_REMOVAL: u64 = 90;
/// Connections at once; further ones wait in the socket's queue.
const CONNECTIONS: usize = 64;

/// Lets nodes in, on every node of the cluster; those without the authority's key say who else may have it.
#[derive(Clone)]
pub struct Signer {
    cluster: Arc<Cluster>,
    registry: Arc<dyn Registry>,
    life: u64,
    limit: Arc<Mutex<AttemptLimit>>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// This node has no key to sign with.
    #[error("this node cannot sign certificates; another one can")]
    NoKey,
    /// Too many attempts.
    #[error("too many attempts from this address; wait a minute")]
    TooMany,
    /// Somebody may still hold what was just taken from him.
    #[error(
        "a node was removed a moment ago; make a token in {AFTER_REMOVAL} seconds, and join with that"
    )]
    JustRemoved,
    /// Whoever asked does not hold the token's secret.
    #[error("the token is not this cluster's")]
    Unproved,
    /// The request is not one.
    #[error("the request to join is damaged: {0}")]
    Details(#[from] serde_json::Error),
    /// Only nodes may ask for that.
    #[error("only a node of the cluster may ask for that")]
    NoNode,
    /// It may not sign.
    #[error("this node is not one of those that sign certificates")]
    MayNotSign,
    /// The key of the request is not the node's.
    #[error("a node keeps its key; to have another one, it has to join as a new node")]
    OtherKey,
    /// It was not let in.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// It gets no further certificate.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// Nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It was not signed.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// This node does not work.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Signer {
    /// On this node, for certificates that live `life` seconds.
    pub fn new(cluster: Arc<Cluster>, registry: Arc<dyn Registry>, life: u64) -> Self {
        Self {
            cluster,
            registry,
            life,
            limit: Arc::new(Mutex::new(AttemptLimit::new(Instant::now()))),
        }
    }

    /// Serves whoever connects, until it is dropped.
    pub async fn serve(self, listener: TcpListener) -> Result<(), rustls::Error> {
        let acceptor = TlsAcceptor::from(self.cluster.tls().open_server(PROTOCOL)?);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let limit = ConnectionLimit::default();
        loop {
            let Ok(place) = room.clone().acquire_owned().await else {
                return Ok(());
            };
            let (socket, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection of a node");
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Some(connected) = limit.admit(from.ip()) else {
                continue;
            };
            let (signer, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                let served = timeout(PATIENCE, signer.answer(socket, from.ip(), &acceptor)).await;
                if let Ok(Err(error)) = served {
                    tracing::debug!(%error, %from, "a connection for a certificate ended early");
                }
                drop((place, connected));
            });
        }
    }

    async fn answer(&self, socket: TcpStream, from: IpAddr, tls: &TlsAcceptor) -> io::Result<()> {
        let mut stream = tls.accept(socket).await?;
        let (_, connection) = stream.get_ref();
        let node = tls::peer(connection);
        let session = connection.export_keying_material(Session::default(), SESSION_LABEL, None);
        let session = session.map_err(io::Error::other)?;
        let request = wire::receive(&mut stream, MAX_REQUEST).await?;
        let answer = match request {
            Request::Join {
                token,
                details,
                proof,
            } => self.join(from, &session, token, &details, &proof).await,
            Request::Renew { request } => self.renew(node, &request).await,
            Request::AuthorityKey => self.hand_over(node).await,
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::warn!(%error, %from, "refused a node");
            Answer::Refused {
                message: error.to_string(),
                elsewhere: matches!(error, SignerError::NoKey | SignerError::Registry(_)),
            }
        });
        wire::send(&mut stream, &answer).await?;
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await
    }

    async fn join(
        &self,
        from: IpAddr,
        session: &Session,
        token: TokenKey,
        details: &str,
        proof: &Bytes,
    ) -> Result<Answer, SignerError> {
        if !self.limit.lock().allows(from, Instant::now()) {
            return Err(SignerError::TooMany);
        }
        if !token.accepts(session, details.as_bytes(), &proof.0) {
            return Err(SignerError::Unproved);
        }
        let authority = self.cluster.authority().ok_or(SignerError::NoKey)?;
        self.cluster.refresh(&*self.registry).await?;
        let removed = self.cluster.members().removed;
        if removed
            .iter()
            .any(|node| node.removed + AFTER_REMOVAL > now())
        {
            return Err(SignerError::JustRemoved);
        }
        let details: Details = serde_json::from_str(details)?;
        let request = SigningRequest::read(&details.request.0)?;
        let candidate = Candidate {
            id: request.node(),
            name: details.name,
            place: details.place,
            certificate: self.issue(now()),
        };
        let node = self.registry.admit(token, &candidate, now()).await?;
        let certificate =
            authority.sign(&request, self.subject(&node), candidate.certificate, now())?;
        self.cluster.refresh(&*self.registry).await?;
        tracing::info!(node = %node.id, name = %node.name, number = %node.number, %from, "a node joined");
        Ok(Answer::Admitted {
            own: Own {
                version: VERSION,
                cluster: self.cluster.own().cluster,
                node: node.id,
                number: node.number,
                name: node.name,
                place: node.place,
            },
            certificate: write_certificates(&[certificate]),
            authorities: self.authorities(),
            members: self.cluster.members(),
        })
    }

    async fn renew(&self, node: Option<NodeId>, request: &Bytes) -> Result<Answer, SignerError> {
        let node = node.ok_or(SignerError::NoNode)?;
        let request = SigningRequest::read(&request.0)?;
        if request.node() != node {
            return Err(SignerError::OtherKey);
        }
        let certificate = self.sign_again(&request).await?;
        Ok(Answer::Certificate {
            certificate: write_certificates(&[certificate]),
            authorities: self.authorities(),
        })
    }

    /// A new certificate for a node that is in. It is recorded before it exists, so that it can be revoked.
    pub(crate) async fn sign_again(
        &self,
        request: &SigningRequest,
    ) -> Result<CertificateDer<'static>, SignerError> {
        let authority = self.cluster.authority().ok_or(SignerError::NoKey)?;
        let (now, node) = (now(), request.node());
        let issued = self.issue(now);
        let node = self.registry.renew(node, issued, now).await?;
        Ok(authority.sign(request, self.subject(&node), issued, now)?)
    }

    async fn hand_over(&self, node: Option<NodeId>) -> Result<Answer, SignerError> {
        let node = node.ok_or(SignerError::NoNode)?;
        let key = self.cluster.authority_key()?.ok_or(SignerError::NoKey)?;
        let nodes = self.registry.nodes().await?;
        if !nodes.iter().any(|known| known.id == node && known.signs) {
            return Err(SignerError::MayNotSign);
        }
        tracing::info!(%node, "a node gets the authority's key");
        Ok(Answer::AuthorityKey { key })
    }

    fn issue(&self, now: u64) -> Issued {
        issue(now, self.life)
    }

    fn subject<'a>(&self, node: &'a Node) -> Subject<'a> {
        Subject {
            cluster: self.cluster.own().cluster,
            name: &node.name,
            place: &node.place,
        }
    }

    fn authorities(&self) -> String {
        write_certificates(&self.cluster.identity().trust.authorities())
    }
}
