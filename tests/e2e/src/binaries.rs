//! Where the binaries under test are, and where they may listen.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

/// Names the folder of the binaries; without it they are where the tests were built.
const FOLDER: &str = "HAYRACK_BIN_DIR";

/// The path of one of the binaries.
///
/// # Panics
/// When it was not built.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os(FOLDER).map_or_else(
        || {
            // PROFILE/deps/test-hash
            let test = std::env::current_exe().expect("a running test has a path");
            test.ancestors()
                .nth(2)
                .expect("tests live in PROFILE/deps")
                .to_owned()
        },
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build` first",
        path.display()
    );
    path
}

/// An address of loopback that nobody listens on now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
}
