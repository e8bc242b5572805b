//! The PROXY protocol, versions 1 and 2: a proxy says in front of a connection's first byte whose it is.
//!
//! What comes in such a header decides limits, bucket policies and what the logs say: it is read from
//! the proxies that the settings name, and from nobody else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use ppp::{v1, v2};
use s3d_front::TlsVersion;
use serde::{Serialize, Serializer};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What version 2 begins with. The shortest header of version 1 is longer than this, too.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, up to and with the length of what follows.
const FIXED_PART: usize = 16;

/// The longest rest of version 2 that is read: addresses, and what HAProxy can add to them.
const MAX_REST: usize = 4096;

/// The longest header of version 1, line end included.
const MAX_LINE: usize = 107;

/// The networks of the proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

/// A network that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no network: write it like 10.77.0.1 or 10.77.0.0/24")]
pub struct NotANetwork(String);

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client; the proxy itself, when the connection is its own.
    pub address: SocketAddr,
    /// The version of TLS that the client speaks to the proxy, if it does and the proxy says so.
    pub tls: Option<TlsVersion>,
}

/// Why a header is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    /// The connection ended or broke within it.
    #[error("the connection ended within the PROXY header: {0}")]
    Broken(#[from] io::Error),
    /// Something else comes first.
    #[error("the proxy sends no PROXY header: have it send one (HAProxy: send-proxy-v2)")]
    Missing,
    /// It is longer than any that makes sense.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that cannot be understood.
    #[error("the PROXY header cannot be read: {0}")]
    Line(#[from] v1::BinaryParseError),
    /// Bytes of version 2 that cannot be understood.
    #[error("the PROXY header cannot be read: {0}")]
    Bytes(#[from] v2::ParseError),
}

impl Proxies {
    /// Whether connections from this address begin with a header.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Where they are.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }
}

impl Origin {
    /// A proxy that listens for both families with one socket writes an address of IPv4 as one of IPv6.
    pub(super) fn new(mut address: SocketAddr, tls: Option<TlsVersion>) -> Self {
        address.set_ip(address.ip().to_canonical());
        Self { address, tls }
    }
}

impl FromIterator<IpNet> for Proxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Serialize for Proxies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(IpNet::to_string))
    }
}

/// One network, or one address.
pub fn network(text: &str) -> Result<IpNet, NotANetwork> {
    let address = || IpAddr::from_str(text).map(IpNet::from);
    let network = IpNet::from_str(text).or_else(|_| address());
    network.map_err(|_| NotANetwork(text.to_owned()))
}

/// Reads the header of a connection from `proxy`, and not a byte beyond it.
pub(super) async fn read_header(
    stream: &mut (impl AsyncRead + Unpin),
    proxy: SocketAddr,
) -> Result<Origin, HeaderError> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    let origin = if header == SIGNATURE {
        read_bytes(stream, &mut header).await?;
        of_bytes(&header)?
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        read_line(stream, &mut header).await?;
        of_line(&header)?
    } else {
        return Err(HeaderError::Missing);
    };
    // A check of the proxy's own, or a client that it cannot name.
    Ok(origin.unwrap_or(Origin::new(proxy, None)))
}

/// The rest of version 2, behind its signature.
async fn read_bytes(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    header.resize(FIXED_PART, 0);
    stream.read_exact(&mut header[SIGNATURE.len()..]).await?;
    let rest = u16::from_be_bytes([header[FIXED_PART - 2], header[FIXED_PART - 1]]);
    if usize::from(rest) > MAX_REST {
        return Err(HeaderError::TooLong);
    }
    header.resize(FIXED_PART + usize::from(rest), 0);
    stream.read_exact(&mut header[FIXED_PART..]).await?;
    Ok(())
}

/// The rest of version 1, up to its line end.
async fn read_line(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    while !header.ends_with(b"\r\n") {
        if header.len() == MAX_LINE {
            return Err(HeaderError::TooLong);
        }
        // Byte by byte, since what follows is another protocol's.
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

fn of_line(header: &[u8]) -> Result<Option<Origin>, HeaderError> {
    let address: SocketAddr = match v1::Header::try_from(header)?.addresses {
        v1::Addresses::Tcp4(of) => (of.source_address, of.source_port).into(),
        v1::Addresses::Tcp6(of) => (of.source_address, of.source_port).into(),
        v1::Addresses::Unknown => return Ok(None),
    };
    Ok(Some(Origin::new(address, None)))
}

fn of_bytes(header: &[u8]) -> Result<Option<Origin>, HeaderError> {
    let header = v2::Header::try_from(header)?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    let address: SocketAddr = match header.addresses {
        v2::Addresses::IPv4(of) => (of.source_address, of.source_port).into(),
        v2::Addresses::IPv6(of) => (of.source_address, of.source_port).into(),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => return Ok(None),
    };
    let tls = tls_version(&header)?;
    Ok(Some(Origin::new(address, tls)))
}

/// The version of TLS that the header names.
fn tls_version(header: &v2::Header<'_>) -> Result<Option<TlsVersion>, HeaderError> {
    /// Flags and the result of the certificate's check, in front of the values about TLS.
    const OWN_PART: usize = 5;
    let Some(tls) = value(header.tlvs(), v2::Type::SSL)? else {
        return Ok(None);
    };
    let version = match tls.get(OWN_PART..) {
        Some(inner) => value(v2::TypeLengthValues::from(inner), v2::Type::SSLVersion)?,
        None => None,
    };
    Ok(match version.as_deref() {
        Some(b"TLSv1.3") => Some(TlsVersion("1.3")),
        Some(b"TLSv1.2") => Some(TlsVersion("1.2")),
        _ => None,
    })
}

/// The first value of a kind.
fn value(
    values: v2::TypeLengthValues<'_>,
    kind: v2::Type,
) -> Result<Option<Vec<u8>>, v2::ParseError> {
    for value in values {
        let value = value?;
        if value.kind == kind as u8 {
            return Ok(Some(value.value.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
