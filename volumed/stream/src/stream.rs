use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use tokio::net::TcpStream;
use volumed_socket::{Incoming, Outgoing};

use crate::tls::TlsStream;

/// A connection that any thread may write to, and one task reads.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Unix(Incoming, Outgoing),
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
}

impl From<(Incoming, Outgoing)> for Stream {
    fn from((incoming, outgoing): (Incoming, Outgoing)) -> Self {
        Self(Kind::Unix(incoming, outgoing))
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self(Kind::Tcp(socket))
    }
}

impl Stream {
    /// Waits until the socket may take more.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Unix(_, outgoing) => outgoing.writable().await,
            Kind::Tcp(socket) => socket.writable().await,
            Kind::Tls(stream) => stream.socket().writable().await,
        }
    }

    /// Reads into the room that `into` has, of which there must be some; 0 bytes are the end.
    pub async fn read(&self, into: &mut BytesMut) -> io::Result<usize> {
        let (socket, tls) = match &self.0 {
            Kind::Unix(incoming, _) => return incoming.read(into).await,
            Kind::Tcp(socket) => (socket, None),
            Kind::Tls(stream) => (stream.socket(), Some(stream)),
        };
        loop {
            let read = match tls {
                // Also what it has in memory already.
                Some(stream) => stream.try_read(into),
                None => socket.try_read_buf(into),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => socket.readable().await?,
                read => return read,
            }
        }
    }

    /// Writes what is taken at once.
    pub fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Kind::Unix(_, outgoing) => outgoing.try_write(bytes),
            Kind::Tcp(socket) => socket.try_write_vectored(bytes),
            Kind::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Sends what is held back; an error if the socket does not take all of it.
    pub fn try_flush(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Unix(..) | Kind::Tcp(_) => Ok(()),
            Kind::Tls(stream) => stream.try_flush(),
        }
    }

    /// Writes everything, however long that takes.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let written = if bytes.is_empty() {
                self.try_flush().map(|()| None)
            } else {
                self.try_write(&[IoSlice::new(bytes)]).map(Some)
            };
            match written {
                Ok(Some(count)) => bytes = &bytes[count..],
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins TLS as the server; the client must show what `config` asks for.
    pub async fn accept_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        self.begin_tls(session.into()).await
    }

    /// Begins TLS as the client; the server must show what `config` asks of one with this name.
    pub async fn connect_tls(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        self.begin_tls(session.into()).await
    }

    async fn begin_tls(self, session: rustls::Connection) -> io::Result<Self> {
        let Kind::Tcp(socket) = self.0 else {
            return Err(ErrorKind::Unsupported.into());
        };
        let stream = TlsStream::shake_hands(socket, session).await?;
        Ok(Self(Kind::Tls(Box::new(stream))))
    }

    /// Ends both directions: the other side finds out, and so does who reads or writes here.
    pub fn shut_down(&self) {
        // It may have ended already.
        let _ = match &self.0 {
            Kind::Unix(_, outgoing) => outgoing.shut_down(),
            Kind::Tcp(socket) => end(socket),
            Kind::Tls(stream) => end(stream.socket()),
        };
    }

    /// What the other side showed, its own certificate first; nothing without TLS.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        match &self.0 {
            Kind::Unix(..) | Kind::Tcp(_) => Vec::new(),
            Kind::Tls(stream) => stream.certificates(),
        }
    }
}

fn end(socket: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket, rustix::net::Shutdown::Both)?)
}
