//! Ctrl-C.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};

/// What shells call the end by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// SIGINT and SIGTERM. Those that nobody waits for end the process at once, which its rack outlives no more than by
/// a moment.
#[derive(Debug)]
pub struct Interrupt {
    waited_for: Receiver<()>,
}

impl Interrupt {
    /// Catches them from now on, in all threads that are begun later.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> anyhow::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().context("could not catch signals")?;
        // Without room: sending succeeds only while somebody waits.
        let (sender, waited_for) = sync_channel(0);
        thread::spawn(move || {
            while signals.wait().is_ok() && sender.try_send(()).is_ok() {}
            std::process::exit(INTERRUPTED);
        });
        Ok(Self { waited_for })
    }

    /// Waits for the next one.
    pub fn wait(&self) {
        // The sender ends with the process.
        let _ = self.waited_for.recv();
    }
}
