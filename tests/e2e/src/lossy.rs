//! A way to a server on which answers are lost.

use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Passes connections on to a server. It ends with the process.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    losses: Arc<AtomicUsize>,
}

impl Lossy {
    /// Begins to pass connections on.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("a listener has an address");
        let losses = Arc::new(AtomicUsize::new(0));
        let (server, left) = (server.to_owned(), losses.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(&server) {
                    let _ = pass(client, server, left.clone());
                }
            }
        });
        Self { address, losses }
    }

    /// Where clients connect to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loses the answers to the next so many writes: the server does what they ask for, and the
    /// connection breaks.
    pub fn lose(&self, answers: usize) {
        self.losses.store(answers, Ordering::Relaxed);
    }

    /// How many of them are still to be lost.
    pub fn left(&self) -> usize {
        self.losses.load(Ordering::Relaxed)
    }
}

fn pass(client: TcpStream, server: TcpStream, losses: Arc<AtomicUsize>) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    let lost = Arc::new(AtomicUsize::new(0));
    let lose = lost.clone();
    thread::spawn(move || {
        copy(from, to, |bytes| {
            let methods: [&[u8]; 3] = [b"PUT ", b"PATCH ", b"POST "];
            let writes = methods.iter().any(|method| bytes.starts_with(method));
            let one_less = |left: usize| left.checked_sub(1);
            let (take, seen) = (Ordering::Relaxed, Ordering::Relaxed);
            if writes && losses.fetch_update(take, seen, one_less).is_ok() {
                lose.store(1, Ordering::Relaxed);
            }
            true
        });
    });
    thread::spawn(move || copy(server, client, |_| lost.load(Ordering::Relaxed) == 0));
    Ok(())
}

/// Copies until one side ends, or something is not to be passed on.
fn copy(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if !passes(&bytes[..length]) || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
