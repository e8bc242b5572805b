//! Where the binaries under test are, and where they may listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// The ports to choose from lie below those that the system gives to clients: one of these would be
/// taken now and then before a server listens on it.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// An address of loopback that nobody listens on now, and that was not given before.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Elsewhere than the tests that ran a moment ago.
    let first = std::process::id().wrapping_mul(101);
    let free = (0..PORTS.len()).find_map(|_| {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % PORTS.len() as u32;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        TcpListener::bind(address).is_ok().then_some(address)
    });
    free.expect("loopback has a free port")
}
