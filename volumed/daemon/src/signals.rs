//! The signals that ask a daemon to stop or to read its settings again.

use std::io;

use tokio::signal::unix::{self, SignalKind, signal};

/// The exit code of a process that a second signal ended at once, as shells have it.
const INTERRUPTED: i32 = 130;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: finish what is in flight and end.
    Stop,
    /// SIGHUP: read settings and certificates again.
    Reload,
}

/// The signals of this process; those that come while nobody waits are kept.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Begins to catch them.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// Waits for the next one that asks to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }

    /// Runs `drain` to its end; another signal to stop ends the process at once.
    pub async fn drain(&mut self, drain: impl Future<Output = ()>) {
        tokio::select! {
            () = drain => {}
            () = self.stop() => std::process::exit(INTERRUPTED),
        }
    }
}
