use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use volumed_stream::Stream;

use crate::NodeId;
use crate::hello::Certified;

/// Mutual TLS between the nodes of a cluster. What is answered is for the next connection alone, so
/// certificates may change at any time.
pub trait Tls: Send + Sync + 'static {
    /// How this node calls one that is to be at the address, and the name that the configuration
    /// verifies there.
    fn client(&self, node: NodeId, address: SocketAddr)
    -> (Arc<ClientConfig>, ServerName<'static>);
    /// How it is called; whoever calls must show a certificate.
    fn server(&self) -> Arc<ServerConfig>;
    /// The node that verified certificates name, its own first; `None` if they name no node that may
    /// have a link.
    fn node(&self, certificates: &[CertificateDer<'_>]) -> Option<NodeId>;
}

/// What a stranger on the network can do with links.
#[derive(Clone)]
pub enum Security {
    /// Nothing.
    Tls(Arc<dyn Tls>),
    /// Everything; therefore only addresses of this machine's loopback are called or answered.
    Loopback,
}

impl Security {
    /// Whether links may go to an address, or come from it.
    pub(crate) fn allows(&self, address: SocketAddr) -> bool {
        matches!(self, Self::Tls(_)) || address.ip().to_canonical().is_loopback()
    }

    pub(crate) async fn call(
        &self,
        socket: TcpStream,
        node: NodeId,
        address: SocketAddr,
    ) -> io::Result<(Stream, Certified)> {
        let stream = prepared(socket)?;
        match self {
            Self::Loopback => Ok((stream, Certified::Nobody)),
            Self::Tls(tls) => {
                let (config, name) = tls.client(node, address);
                Ok(certified(&**tls, stream.connect_tls(config, name).await?))
            }
        }
    }

    pub(crate) async fn answer(&self, socket: TcpStream) -> io::Result<(Stream, Certified)> {
        let stream = prepared(socket)?;
        match self {
            Self::Loopback => Ok((stream, Certified::Nobody)),
            Self::Tls(tls) => {
                let stream = stream.accept_tls(tls.server()).await?;
                Ok(certified(&**tls, stream))
            }
        }
    }
}

fn prepared(socket: TcpStream) -> io::Result<Stream> {
    // Frames are sent whole: there is nothing to wait for.
    socket.set_nodelay(true)?;
    Ok(Stream::from(socket))
}

fn certified(tls: &dyn Tls, stream: Stream) -> (Stream, Certified) {
    let node = tls.node(&stream.certificates());
    (stream, Certified::Node(node))
}
