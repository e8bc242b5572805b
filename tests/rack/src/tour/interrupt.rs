//! Ctrl-C.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Context as _;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What shells call the end by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// SIGINT and SIGTERM. Those that nobody waits for end the process at once, which its rack outlives no more than by
/// a moment.
#[derive(Debug)]
pub struct Interrupt {
    waited_for: Receiver<()>,
}

impl Interrupt {
    /// Catches them from now on. They are not blocked, which daemons that are started later would inherit.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> anyhow::Result<Self> {
        let refused = "could not catch signals";
        let runtime = Builder::new_current_thread().enable_io().build();
        let runtime = runtime.context(refused)?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            let of = |kind| signal(kind).context(refused);
            (of(SignalKind::interrupt())?, of(SignalKind::terminate())?)
        };
        // Without room: sending succeeds only while somebody waits.
        let (sender, waited_for) = sync_channel(0);
        thread::spawn(move || {
            let mut next = || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                });
            };
            next();
            while sender.try_send(()).is_ok() {
                next();
            }
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
