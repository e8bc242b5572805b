use std::io;
use std::path::{Path, PathBuf};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use volumed_nbd::Violation;
use volumed_nbd::client::{Established, Handshake, Refused, Step};

/// What a socket may hold on its way, in bytes, as far as the system allows.
const SOCKET_BUFFER: usize = 512 << 10;

/// Why an export could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens on the socket, or it may not be opened.
    #[error("cannot reach the NBD server at {}: {source}", .socket.display())]
    Unreachable {
        /// The NBD socket.
        socket: PathBuf,
        /// What connecting answered.
        source: io::Error,
    },
    /// The connection broke during the handshake.
    #[error("the NBD server closed the connection during the handshake: {0}")]
    Broken(#[from] io::Error),
    /// The server does not follow the protocol.
    #[error("the NBD server cannot be understood: {0}")]
    NotUnderstood(#[from] Violation),
    /// The server will not have it.
    #[error("the export {export:?} cannot be opened: {reason}")]
    Refused {
        /// The export that was asked for.
        export: String,
        /// Why not.
        reason: Refused,
    },
    /// The server offers no FLUSH, FUA or TRIM, or no writing at all.
    #[error("the export {export:?} lacks what a volume needs (write, flush, FUA, trim)")]
    Unfit {
        /// The export that was asked for.
        export: String,
    },
}

/// Opens `export` of the server at `socket`, and leaves what follows to the caller: nothing was sent or
/// received beyond the handshake.
pub async fn open_export(
    socket: &Path,
    export: &str,
) -> Result<(UnixStream, Established), ConnectError> {
    let mut stream =
        UnixStream::connect(socket)
            .await
            .map_err(|source| ConnectError::Unreachable {
                socket: socket.to_owned(),
                source,
            })?;
    enlarge_buffer(&stream);
    let mut handshake = Handshake::new(export);
    loop {
        match handshake.step()? {
            Step::NeedInput => {}
            Step::Established(established) => return fit(stream, established, export),
            Step::Refused(reason) => {
                return Err(ConnectError::Refused {
                    export: export.to_owned(),
                    reason,
                });
            }
        }
        stream.write_all(&handshake.take_output()).await?;
        if stream.read_buf(handshake.input()).await? == 0 {
            return Err(ConnectError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn fit(
    stream: UnixStream,
    established: Established,
    export: &str,
) -> Result<(UnixStream, Established), ConnectError> {
    if established.durable && established.can_trim && !established.read_only {
        Ok((stream, established))
    } else {
        Err(ConnectError::Unfit {
            export: export.to_owned(),
        })
    }
}

/// A larger buffer only saves waiting: it does no harm if the system says no.
fn enlarge_buffer(stream: &UnixStream) {
    if setsockopt(stream, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = setsockopt(stream, sockopt::SndBuf, &SOCKET_BUFFER);
    }
}
