use std::io::{self, BufRead as _, ErrorKind, IoSlice, Read, Write};

use bytes::{BufMut as _, BytesMut};
use parking_lot::Mutex;
use rustls::Connection;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

/// TLS over TCP. What is written is encrypted at once and held until the socket takes it.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: Mutex<Connection>,
}

impl TlsStream {
    pub async fn shake_hands(socket: TcpStream, session: Connection) -> io::Result<Self> {
        let stream = Self {
            socket,
            session: Mutex::new(session),
        };
        while let Err(error) = stream.go_on_shaking() {
            match error.kind() {
                ErrorKind::WouldBlock if stream.session.lock().wants_write() => {
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
        while session.is_handshaking() {
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
        let shown = session.peer_certificates().unwrap_or_default();
        shown.iter().map(|it| it.clone().into_owned()).collect()
    }

    pub fn try_read(&self, into: &mut BytesMut) -> io::Result<usize> {
        let mut session = self.session.lock();
        loop {
            match session.reader().fill_buf() {
                Ok(plain) => {
                    let count = plain.len().min(into.capacity() - into.len());
                    into.put_slice(&plain[..count]);
                    session.reader().consume(count);
                    return Ok(count);
                }
                // Gone without a goodbye, as many do: the lengths of what is carried tell what is missing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            self.receive(&mut session)?;
        }
    }

    pub fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session.lock();
        // What was taken before goes first, so that no more than one batch is ever held.
        self.flush(&mut session)?;
        let taken = session.writer().write_vectored(bytes)?;
        match self.flush(&mut session) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    pub fn try_flush(&self) -> io::Result<()> {
        self.flush(&mut self.session.lock())
    }

    /// Takes what came in; 0 bytes are the end.
    fn receive(&self, session: &mut Connection) -> io::Result<usize> {
        let count = session.read_tls(&mut Raw(&self.socket))?;
        let processed = session.process_new_packets();
        if processed.is_err() {
            // The other side learns why, if the socket takes it.
            let _ = self.flush(session);
        }
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(count)
    }

    fn flush(&self, session: &mut Connection) -> io::Result<()> {
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
