//! Unix sockets that only their owner may open.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};

/// The longest path that fits a socket's address on Linux, in bytes.
const MAX_PATH: usize = 107;

/// Why a socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody else listens.
    #[error("the socket {} is in use by another process; stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// The system's limit.
    #[error("the socket path {} is longer than 107 bytes; choose a shorter one", .0.display())]
    TooLong(PathBuf),
    /// Anything else.
    #[error("cannot listen on {}: {source}", .socket.display())]
    Unusable {
        /// The path.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Listens on `path`, mode 0600. A socket that a dead process left there is replaced.
pub fn listen(path: &Path) -> Result<UnixListener, SocketError> {
    if path.as_os_str().len() > MAX_PATH {
        return Err(SocketError::TooLong(path.to_owned()));
    }
    let unusable = |source| SocketError::Unusable {
        socket: path.to_owned(),
        source,
    };
    match UnixStream::connect(path) {
        Ok(_) => return Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove_socket(path).map_err(unusable)?;
        }
        Err(_) => {}
    }
    // The mode must be right from the first moment on, so it cannot be set afterwards.
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener.map_err(unusable)
}

/// Removes a socket, but no file of another kind: connecting to one is refused as well.
fn remove_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    if std::fs::symlink_metadata(path)?.file_type().is_socket() {
        std::fs::remove_file(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something that is no socket is there",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_dead_socket_is_replaced_and_only_the_owner_may_connect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = listen(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(listen(&path), Err(SocketError::InUse(_))));
        drop(first);
        listen(&path).unwrap();
    }

    #[test]
    fn a_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(listen(&path), Err(SocketError::Unusable { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_path_that_does_not_fit_is_told() {
        let path = Path::new("/tmp").join("x".repeat(120));
        assert!(matches!(listen(&path), Err(SocketError::TooLong(_))));
    }
}
