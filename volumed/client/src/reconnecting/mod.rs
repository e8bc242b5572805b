//! [`BlockDevice`] that outlives its connection (B5).

mod connection;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub use connection::{Connect, ConnectFailure, Reconnected};
use connection::{Connection, State};

use crate::{BlockDevice, DeviceError, Durability, Session};

/// A device whose calls wait while its connection is made anew, and are then sent again.
///
/// Sending again is right because a call that was not answered may be made twice: calls that overlap
/// and are in flight together have no order, so nothing can have been written over it meanwhile, and
/// the new connection is made only when nothing of the old one can land any more (V2).
///
/// Each connection is a session. A flush covers what was answered on its own one, and on those before as
/// long as nothing was lost between them ([`Reconnected::kept`], V9). A flush since an earlier session fails with
/// [`DeviceError::Disconnected`], and what it should cover has to be done again, or read back.
///
/// When no connection could be made for the whole of `patience`, every call fails with
/// [`DeviceError::Disconnected`] from then on.
#[derive(Debug)]
pub struct ReconnectingDevice {
    size: u64,
    state: Arc<watch::Sender<State>>,
    connect: Arc<dyn Connect>,
    runtime: Handle,
    patience: Duration,
}

impl ReconnectingDevice {
    /// A device over `first`, which `connect` replaces when it breaks. Connections are made on the
    /// runtime that this is called on, and for at most `patience` after one broke.
    pub fn new(first: Arc<dyn BlockDevice>, connect: Arc<dyn Connect>, patience: Duration) -> Self {
        Self {
            size: first.size(),
            state: Arc::new(watch::Sender::new(State::Connected(Connection {
                session: Session(0),
                oldest: Session(0),
                device: first,
            }))),
            connect,
            runtime: Handle::current(),
            patience,
        }
    }

    /// Whether no connection could be made in time: the device is of no more use.
    pub fn is_lost(&self) -> bool {
        matches!(*self.state.borrow(), State::Lost)
    }

    /// Whether nobody else can have owned the device until this call: its connection stands, or the same owner
    /// could make another one. Waits for that as calls do.
    pub async fn is_owned(&self) -> bool {
        while let Ok(connection) = self.connection().await {
            if connection.device.is_connected() {
                return true;
            }
            self.replace(connection.session);
        }
        false
    }

    async fn connection(&self) -> Result<Connection, DeviceError> {
        if let State::Connected(connection) = &*self.state.borrow() {
            return Ok(connection.clone());
        }
        let mut states = self.state.subscribe();
        let state = states
            .wait_for(|state| !matches!(state, State::Reconnecting(_)))
            .await;
        match state.as_deref() {
            Ok(State::Connected(connection)) => Ok(connection.clone()),
            _ => Err(DeviceError::Disconnected),
        }
    }

    /// The outcome of a call, unless its connection broke: then it has to be made again.
    fn settled<T>(
        &self,
        connection: &Connection,
        outcome: Result<T, DeviceError>,
    ) -> Option<Result<T, DeviceError>> {
        if matches!(outcome, Err(DeviceError::Disconnected)) {
            self.replace(connection.session);
            return None;
        }
        Some(outcome)
    }

    fn connection_of_now(&self) -> Option<Connection> {
        match &*self.state.borrow() {
            State::Connected(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// Has the connection of this session replaced, unless somebody had before.
    fn replace(&self, broken: Session) {
        let next = Session(broken.0 + 1);
        let mut sessions = None;
        self.state.send_if_modified(|state| match state {
            State::Connected(Connection {
                session, oldest, ..
            }) if *session == broken => {
                let oldest = *oldest;
                *state = State::Reconnecting(next);
                sessions = Some((next, oldest));
                true
            }
            _ => false,
        });
        if let Some(sessions) = sessions {
            let (state, connect) = (Arc::downgrade(&self.state), self.connect.clone());
            let replacing = connection::replace(state, connect, sessions, self.patience);
            self.runtime.spawn(replacing);
        }
    }
}

#[async_trait]
impl BlockDevice for ReconnectingDevice {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        loop {
            let connection = self.connection().await?;
            let outcome = connection.device.read(offset, length).await;
            if let Some(settled) = self.settled(&connection, outcome) {
                return settled;
            }
        }
    }

    /// By the connection of now, never by one before. Nobody waits here for the next: who is answered
    /// nothing [`read`](Self::read)s, which does.
    async fn read_unchecked(&self, offset: u64, length: usize) -> Option<Bytes> {
        let connection = self.connection_of_now()?;
        connection.device.read_unchecked(offset, length).await
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let connection = self.connection_of_now()?;
        connection.device.read_cached(offset, length)
    }

    fn read_unchecked_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.connection_of_now()
            .is_some_and(|it| it.device.read_unchecked_blocking(offset, bytes))
    }

    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError> {
        loop {
            let connection = self.connection().await?;
            let outcome = connection.device.write(offset, pieces, durability).await;
            if let Some(settled) = self.settled(&connection, outcome) {
                return settled;
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.connection_of_now()
            .is_some_and(|it| it.device.is_connected())
    }

    /// While a connection is being made, that one's: every call waits for it.
    fn session(&self) -> Session {
        match &*self.state.borrow() {
            State::Connected(connection) => connection.session,
            State::Reconnecting(next) => *next,
            State::Lost => Session(0),
        }
    }

    async fn flush(&self, since: Session) -> Result<(), DeviceError> {
        loop {
            let connection = self.connection().await?;
            if since < connection.oldest {
                return Err(DeviceError::Disconnected);
            }
            // The device of a connection has one session.
            let device = &connection.device;
            let outcome = device.flush(device.session()).await;
            if let Some(settled) = self.settled(&connection, outcome) {
                return settled;
            }
        }
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        loop {
            let connection = self.connection().await?;
            let outcome = connection.device.trim(offset, length).await;
            if let Some(settled) = self.settled(&connection, outcome) {
                return settled;
            }
        }
    }
}
