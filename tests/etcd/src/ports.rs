//! Ports that nobody listens on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the system gives to clients: one of these would be taken now and then before a
/// server listens on it.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// An address of loopback that was not given before.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Elsewhere than the tests that run beside this one.
    let first = std::process::id().wrapping_mul(211);
    let free = (0..PORTS.len()).find_map(|_| {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % PORTS.len() as u32;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        TcpListener::bind(address).is_ok().then_some(address)
    });
    free.expect("loopback has a free port")
}
