//! The connections that NBD comes over.

use std::io::{self, BufRead as _, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;
use volumed_socket::{Incoming, Outgoing};

/// A connection that any thread may write to.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(Incoming, Outgoing),
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
}

/// TLS over TCP. What is written is encrypted at once and held until the socket takes it.
#[derive(Debug)]
pub(super) struct TlsStream {
    socket: TcpStream,
    session: Mutex<ServerConnection>,
}

impl Stream {
    /// Waits until the socket may take more.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(_, outgoing) => outgoing.writable().await,
            Self::Tcp(socket) => socket.writable().await,
            Self::Tls(stream) => stream.socket.writable().await,
        }
    }

    /// Reads into the room that `into` has; 0 bytes are the end.
    pub async fn read(&self, into: &mut BytesMut) -> io::Result<usize> {
        let (socket, tls) = match self {
            Self::Unix(incoming, _) => return incoming.read(into).await,
            Self::Tcp(socket) => (socket, None),
            Self::Tls(stream) => (&stream.socket, Some(stream)),
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
        match self {
            Self::Unix(_, outgoing) => outgoing.try_write(bytes),
            Self::Tcp(socket) => socket.try_write_vectored(bytes),
            Self::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Sends what is held back; an error if the socket does not take all of it.
    pub fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Unix(..) | Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => stream.flush(&mut stream.session.lock()),
        }
    }

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

    /// Shakes hands as the server; the client must show what `config` asks for.
    pub async fn start_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let Self::Tcp(socket) = self else {
            return Err(ErrorKind::Unsupported.into());
        };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let stream = Box::new(TlsStream {
            socket,
            session: Mutex::new(session),
        });
        while let Err(error) = stream.shake_hands() {
            match error.kind() {
                ErrorKind::WouldBlock if stream.session.lock().wants_write() => {
                    stream.socket.writable().await?;
                }
                ErrorKind::WouldBlock => stream.socket.readable().await?,
                _ => return Err(error),
            }
        }
        Ok(Self::Tls(stream))
    }
}

impl TlsStream {
    fn shake_hands(&self) -> io::Result<()> {
        let mut session = self.session.lock();
        while session.is_handshaking() {
            self.flush(&mut session)?;
            if self.receive(&mut session)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush(&mut session)
    }

    fn try_read(&self, into: &mut BytesMut) -> io::Result<usize> {
        let mut session = self.session.lock();
        loop {
            match session.reader().fill_buf() {
                Ok(plain) => {
                    let count = plain.len().min(into.capacity() - into.len());
                    into.put_slice(&plain[..count]);
                    session.reader().consume(count);
                    return Ok(count);
                }
                // Gone without a goodbye, as many clients do: NBD's own lengths tell what is missing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            self.receive(&mut session)?;
        }
    }

    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session.lock();
        // What was taken before goes first, so that no more than one batch is ever held.
        self.flush(&mut session)?;
        let taken = session.writer().write_vectored(bytes)?;
        match self.flush(&mut session) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Takes what came in; 0 bytes are the end.
    fn receive(&self, session: &mut ServerConnection) -> io::Result<usize> {
        let count = session.read_tls(&mut Raw(&self.socket))?;
        let processed = session.process_new_packets();
        if processed.is_err() {
            // The client learns why, if the socket takes it.
            let _ = self.flush(session);
        }
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(count)
    }

    fn flush(&self, session: &mut ServerConnection) -> io::Result<()> {
        while session.wants_write() {
            session.write_tls(&mut Raw(&self.socket))?;
        }
        Ok(())
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        let session = self.session.get_mut();
        session.send_close_notify();
        while session.wants_write() && session.write_tls(&mut Raw(&self.socket)).is_ok() {}
    }
}

/// The socket as TLS sees it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
