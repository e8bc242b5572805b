use std::io::{self, BufRead as _, ErrorKind, IoSlice, Read, Write};

use bytes::{Buf as _, BufMut as _, BytesMut};
use parking_lot::Mutex;
use rustls::Connection;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

/// Bytes that are received at once: rustls by itself asks for 4 KiB at a time.
const RECEIVED: usize = 64 << 10;

/// TLS over TCP. What is written is encrypted at once and held until the socket takes it.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: Mutex<Session>,
}

#[derive(Debug)]
struct Session {
    connection: Connection,
    /// What was received and not decrypted yet.
    received: BytesMut,
}

impl TlsStream {
    pub async fn shake_hands(socket: TcpStream, connection: Connection) -> io::Result<Self> {
        let session = Session {
            connection,
            received: BytesMut::new(),
        };
        let stream = Self {
            socket,
            session: Mutex::new(session),
        };
        while let Err(error) = stream.go_on_shaking() {
            match error.kind() {
                ErrorKind::WouldBlock if stream.session.lock().connection.wants_write() => {
                    stream.socket.writable().await?;
                }
                ErrorKind::WouldBlock => stream.socket.readable().await?,
                _ => return Err(error),
            }
        }
        Ok(stream)
    }

    fn go_on_shaking(&self) -> io::Result<()> {
        let mut session = self.session.lock();
        while session.connection.is_handshaking() {
            self.flush(&mut session)?;
            if self.receive(&mut session)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush(&mut session)
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let session = self.session.lock();
        let shown = session.connection.peer_certificates().unwrap_or_default();
        shown.iter().map(|it| it.clone().into_owned()).collect()
    }

    /// Fills the room that `into` has as far as there is something.
    pub fn try_read(&self, into: &mut BytesMut) -> io::Result<usize> {
        let (mut session, before) = (self.session.lock(), into.len());
        loop {
            let read = session.decrypted(into);
            let full = into.len() == into.capacity();
            match read {
                Ok(true) if !full => continue,
                // A goodbye; or gone without one, as many are: the lengths of what is carried tell
                // what is missing.
                Ok(_) => return Ok(into.len() - before),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            match self.receive(&mut session) {
                Ok(_) => {}
                // What is here goes first.
                Err(_) if into.len() > before => return Ok(into.len() - before),
                Err(error) => return Err(error),
            }
        }
    }

    pub fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session.lock();
        // What was taken before goes first, so that no more than one batch is ever held.
        self.flush(&mut session)?;
        let taken = session.connection.writer().write_vectored(bytes)?;
        match self.flush(&mut session) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    pub fn try_flush(&self) -> io::Result<()> {
        self.flush(&mut self.session.lock())
    }

    /// Takes what came in; 0 bytes are the end.
    fn receive(&self, session: &mut Session) -> io::Result<usize> {
        let Session {
            connection,
            received,
        } = &mut *session;
        let socket = &self.socket;
        let count = connection.read_tls(&mut Incoming { socket, received })?;
        let processed = connection.process_new_packets();
        if processed.is_err() {
            // The other side learns why, if the socket takes it.
            let _ = self.flush(session);
        }
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(count)
    }

    fn flush(&self, session: &mut Session) -> io::Result<()> {
        while session.connection.wants_write() {
            session.connection.write_tls(&mut Outgoing(&self.socket))?;
        }
        Ok(())
    }
}

impl Session {
    /// Moves what is decrypted; false at the end.
    fn decrypted(&mut self, into: &mut BytesMut) -> io::Result<bool> {
        let mut reader = self.connection.reader();
        let plain = match reader.fill_buf() {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            plain => plain?,
        };
        let count = plain.len().min(into.capacity() - into.len());
        into.put_slice(&plain[..count]);
        reader.consume(count);
        Ok(count > 0)
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        let connection = &mut self.session.get_mut().connection;
        connection.send_close_notify();
        let mut socket = Outgoing(&self.socket);
        while connection.wants_write() && connection.write_tls(&mut socket).is_ok() {}
    }
}

/// What the socket has, as TLS reads it.
struct Incoming<'a> {
    socket: &'a TcpStream,
    received: &'a mut BytesMut,
}

impl Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.received.is_empty() {
            self.received.reserve(RECEIVED);
            if let Err(error) = self.socket.try_read_buf(self.received) {
                // Who waits holds no memory.
                *self.received = BytesMut::new();
                return Err(error);
            }
        }
        let count = into.len().min(self.received.len());
        self.received.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// The socket, as TLS writes to it.
struct Outgoing<'a>(&'a TcpStream);

impl Write for Outgoing<'_> {
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
