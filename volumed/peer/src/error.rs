use std::io;
use std::net::SocketAddr;

use volumed_core::wire::WireError;

use crate::HelloError;

/// Why there is no link, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody knows where the node is.
    #[error("no address of the node is known")]
    NoAddress,
    /// It is beyond loopback, and there is no TLS.
    #[error("{0} is on another machine, and without certificates links stay on this one")]
    Unsafe(SocketAddr),
    /// It does not answer at its address.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// One of both does not trust the other.
    #[error("no TLS with {address}: {source}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It is nobody to have a link with.
    #[error("no link with {address}: {source}")]
    Hello {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: HelloError,
    },
    /// It took too long to say who it is.
    #[error("{0} did not say in time who it is")]
    Slow(SocketAddr),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side takes nothing any more, or this side gave it up.
    #[error("the other side takes nothing any more")]
    Gone,
    /// The other side ended it.
    #[error("the other side ended the link")]
    Ended,
    /// Nothing was heard.
    #[error("nothing was heard of the other side for too long")]
    Silent,
    /// What came cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// An answer where messages come, or the other way round.
    #[error("what came is for the other end of a link")]
    WrongWay,
    /// The node called again, or may have no link any more.
    #[error("the node has a newer link, or may have none any more")]
    Replaced,
}
