//! The connection that a device has now, and how it gets the next one.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{BlockDevice, Session};

/// Pauses between attempts, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

/// Makes the next connection of a device.
#[async_trait]
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// Connects as the same owner as before. When this answers, nothing that was sent on an earlier
    /// connection can land any more (V2).
    async fn connect(&self) -> Result<Reconnected, ConnectFailure>;
}

/// A connection in place of one that broke.
pub struct Reconnected {
    /// What is read and written from now on.
    pub device: Arc<dyn BlockDevice>,
    /// Nothing that was answered on earlier connections since the last one that was not so can have been
    /// lost: a flush on this one covers it, too (V9).
    pub kept: bool,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Worth another try.
    Passing,
    /// Somebody else owns the volume by now, or it is gone.
    Final,
}

#[derive(Clone)]
pub(super) struct Connection {
    /// Counts the connections of a device.
    pub session: Session,
    /// A flush covers what was answered since this one.
    pub oldest: Session,
    pub device: Arc<dyn BlockDevice>,
}

#[derive(Debug)]
pub(super) enum State {
    Connected(Connection),
    /// The connection of this session is being made.
    Reconnecting(Session),
    Lost,
}

/// Connects until it works, it can never work, or `patience` is at its end; ends early when the
/// device is dropped.
pub(super) async fn replace(
    state: Weak<watch::Sender<State>>,
    connect: Arc<dyn Connect>,
    (session, oldest): (Session, Session),
    patience: Duration,
) {
    let deadline = Instant::now() + patience;
    let mut pause = PAUSES.0;
    let next = loop {
        if state.strong_count() == 0 {
            return;
        }
        match timeout_at(deadline, connect.connect()).await {
            Ok(Ok(Reconnected { device, kept })) => {
                let oldest = if kept { oldest } else { session };
                break State::Connected(Connection {
                    session,
                    oldest,
                    device,
                });
            }
            Ok(Err(ConnectFailure::Passing)) if Instant::now() + pause < deadline => {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            Ok(Err(_)) | Err(_) => break State::Lost,
        }
    };
    if let Some(state) = state.upgrade() {
        state.send_replace(next);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
