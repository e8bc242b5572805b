//! The side that asks: a node that joins, renews its certificate, or becomes one that signs.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Fingerprint, SigningRequest};
use crate::cluster::{Cluster, ClusterError, now, own_key, sent_certificates};
use crate::folder::{Folder, Own};
use crate::join::wire::{self, Answer, Bytes, Details, MAX_ANSWER, PROTOCOL, Request};
use crate::node::{NodeName, Place};
use crate::proof::{SESSION_LABEL, Session};
use crate::registry::Registry;
use crate::tls::joining_client;
use crate::token::JoinToken;
use crate::trust::{Stranger, Trust};
use crate::{Signer, SignerError};

const PATIENCE: Duration = Duration::from_secs(10);

/// Why one node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It cannot be reached, or is not of the cluster.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No answer in time.
    #[error("it does not answer")]
    Silent,
    /// By this node's clock, the other one's certificate is of another time.
    #[error("by this node's clock its certificate {0}; compare the clocks of both (`timedatectl`)")]
    Clock(&'static str),
    /// It is not whom it should be.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// The configuration of TLS is wrong.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// Where nobody helped, and why.
#[derive(Debug)]
pub struct Unreached(pub Vec<(SocketAddr, CallError)>);

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (address, error)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

/// Why this node is not in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The cluster said no.
    #[error("{0}")]
    Refused(String),
    /// Nobody of the cluster was found.
    #[error("no node of the cluster helped: {0}")]
    Unreached(Unreached),
    /// This node does not work.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// This node signs for itself, and could not.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// It is of another cluster already.
    #[error("the token is of another cluster than this node, which is in {0}")]
    OtherCluster(crate::id::ClusterId),
}

/// Takes this node into the cluster that the token is of. It may be called again, with the same token
/// or another, when it failed, and when the node's certificate expired while it was off.
pub async fn join(
    data: &Path,
    token: &JoinToken,
    name: NodeName,
    place: Place,
) -> Result<Cluster, JoinError> {
    place.check().map_err(ClusterError::from)?;
    let folder = Folder::of(data);
    let former: Option<Own> = folder.record("node.json").map_err(ClusterError::from)?;
    if former.is_some() {
        let cluster = Cluster::open(data)?.ok_or(ClusterError::Unsigned)?;
        if cluster.identity().certificate().expires > now() {
            let path = folder.path("");
            return Err(ClusterError::Already(cluster.own().cluster, path).into());
        }
    }
    folder.create().map_err(ClusterError::from)?;
    let key = own_key(&folder)?;
    let request = SigningRequest::write(&key).map_err(ClusterError::from)?;
    let details = Details {
        name,
        place,
        request: Bytes(request),
    };
    let details = serde_json::to_string(&details).expect("it is plain data");
    let call = Call::Stranger {
        token,
        details: &details,
    };
    let Answer::Admitted {
        own,
        certificate,
        authorities,
        members,
    } = call.at_any(&token.addresses).await?
    else {
        return Err(ClusterError::Unsigned.into());
    };
    if let Some(former) = former.filter(|former| former.cluster != own.cluster) {
        return Err(JoinError::OtherCluster(former.cluster));
    }
    let authorities = sent_certificates(&authorities)?;
    let certificate = sent_certificates(&certificate)?.swap_remove(0);
    let removed = members.removed.iter().map(|node| node.id).collect();
    let trust = Trust::new(own.cluster, authorities.clone(), removed);
    let trust = trust.map_err(ClusterError::from)?;
    let checked = trust.check_server(&certificate, &[], UnixTime::now());
    let pinned = Fingerprint::of(&authorities[0]) == token.authority;
    if checked != Ok(own.node) || !pinned {
        return Err(ClusterError::Unsigned.into());
    }
    let cluster = Cluster::settle(data, &own, &certificate, &authorities, &members)?;
    cluster.enter()?;
    Ok(cluster)
}

/// Renews this node's certificate: it signs for itself, or asks another node. Its key stays.
pub async fn renew(cluster: &Cluster, signer: &Signer) -> Result<(), JoinError> {
    let request = cluster.signing_request()?;
    if cluster.authority().is_some() {
        let request = SigningRequest::read(&request).map_err(ClusterError::from)?;
        let certificate = signer.sign_again(&request).await?;
        let authorities = cluster.identity().trust.authorities();
        let taken = cluster.take_certificate(&certificate, &authorities);
        return Ok(taken.await?);
    }
    let request = Request::Renew {
        request: Bytes(request),
    };
    let Answer::Certificate {
        certificate,
        authorities,
    } = ask_nodes(cluster, &request).await?
    else {
        return Err(ClusterError::Unsigned.into());
    };
    let authorities = sent_certificates(&authorities)?;
    let certificate = sent_certificates(&certificate)?.swap_remove(0);
    let taken = cluster.take_certificate(&certificate, &authorities);
    Ok(taken.await?)
}

/// Gets the authority's key from a node that has it, once the registry lets this node sign.
pub async fn fetch_authority(cluster: &Cluster, registry: &dyn Registry) -> Result<(), JoinError> {
    if cluster.authority().is_some() {
        return Ok(());
    }
    cluster.refresh(registry).await?;
    let answer = ask_nodes(cluster, &Request::AuthorityKey).await?;
    let Answer::AuthorityKey { key } = answer else {
        return Err(ClusterError::Unsigned.into());
    };
    Ok(cluster.take_authority(&key).await?)
}

/// Those that sign first.
async fn ask_nodes(cluster: &Cluster, request: &Request) -> Result<Answer, JoinError> {
    let own = cluster.own().node;
    let nodes = cluster.members().nodes;
    let (signing, others): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .filter(|node| node.id != own)
        .partition(|node| node.signs);
    let nodes = signing.iter().chain(&others);
    let addresses: Vec<_> = nodes.map(|node| node.place.cluster()).collect();
    let call = Call::Node { cluster, request };
    call.at_any(&addresses).await
}

/// What is asked for, and by whom.
enum Call<'a> {
    /// A node that joins.
    Stranger {
        token: &'a JoinToken,
        details: &'a str,
    },
    /// One that is in.
    Node {
        cluster: &'a Cluster,
        request: &'a Request,
    },
}

impl Call<'_> {
    /// The first answer; a refusal ends it, unless it is for want of a key or a store.
    async fn at_any(&self, addresses: &[SocketAddr]) -> Result<Answer, JoinError> {
        let mut failed = Vec::new();
        for address in addresses {
            let answer = timeout(PATIENCE, self.at(*address)).await;
            match answer.unwrap_or(Err(CallError::Silent)) {
                Ok(Answer::Refused {
                    message,
                    elsewhere: true,
                }) => failed.push((*address, CallError::Refused(message))),
                Ok(Answer::Refused { message, .. }) => return Err(JoinError::Refused(message)),
                Ok(answer) => return Ok(answer),
                Err(error) => failed.push((*address, error)),
            }
        }
        Err(JoinError::Unreached(Unreached(failed)))
    }

    async fn at(&self, address: SocketAddr) -> Result<Answer, CallError> {
        let mut stream = match self {
            Self::Stranger { token, details } => {
                let config = joining_client(token.authority, PROTOCOL)?;
                let mut stream = connect(address, config).await?;
                let request = request_to_join(stream.get_ref().1, token, details)?;
                wire::send(&mut stream, &request).await?;
                stream
            }
            Self::Node { cluster, request } => {
                let config = cluster.tls().any_client(PROTOCOL)?;
                let mut stream = connect(address, config).await?;
                wire::send(&mut stream, request).await?;
                stream
            }
        };
        Ok(wire::receive(&mut stream, MAX_ANSWER).await?)
    }
}

/// For the session that was made with somebody who has the authority's certificate, and no other.
fn request_to_join(
    connection: &ClientConnection,
    token: &JoinToken,
    details: &str,
) -> Result<Request, rustls::Error> {
    let session = connection.export_keying_material(Session::default(), SESSION_LABEL, None)?;
    let proof = token.secret.prove(&session, details.as_bytes());
    Ok(Request::Join {
        token: token.key(),
        details: details.to_owned(),
        proof: Bytes(proof),
    })
}

async fn connect(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, CallError> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    let connected = TlsConnector::from(config).connect(name, socket).await;
    connected.map_err(|error| spoken(&error).unwrap_or(CallError::Io(error)))
}

/// The most frequent reasons deserve their own sentences: the first on computers without a battery.
fn spoken(error: &io::Error) -> Option<CallError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(invalid) = error else {
        return None;
    };
    match invalid {
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some(CallError::Clock("is not valid yet"))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some(CallError::Clock("has expired"))
        }
        CertificateError::Other(_) => Stranger::in_error(error).map(CallError::Stranger),
        _ => None,
    }
}
