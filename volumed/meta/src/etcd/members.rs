//! The members of an etcd: which of them is asked, until when, and what becomes of it when it fails.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, GetOptions};
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::failure::Failure;
use crate::location::{EtcdLocation, TlsFiles};

/// After which the caller has an answer. An election of a leader takes 1 to 2 s.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// What a member has for an answer that another one might give as well.
const ATTEMPT: Duration = Duration::from_millis(1_500);

const CONNECT: Duration = Duration::from_secs(1);

/// Between two attempts.
pub const PAUSE: Duration = Duration::from_millis(100);

/// A connection over which nothing comes is asked whether it lives. More often than every 5 s, etcd
/// hangs up.
const KEEP_ALIVE: Duration = Duration::from_secs(6);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(2);

/// Bytes under way on a connection, and for one call: a window for each range that is read.
const CONNECTION_WINDOW: u32 = 8 << 20;
const CALL_WINDOW: u32 = 1 << 20;

/// An answer is at most one page of the largest values.
pub const LARGEST_ANSWER: usize = 1 << 30;

/// One member is asked, by all calls, over one connection: the nearest, which is named first. When it fails, the
/// next one is, over a new connection, so nothing that hangs in an old one is waited for twice, until the nearest
/// answers again ([`return_to_nearest`](super::nearest::return_to_nearest)).
#[derive(Debug)]
pub struct Members {
    location: EtcdLocation,
    /// The endpoints as they were found last; one at least.
    found: RwLock<Vec<String>>,
    asked: Mutex<Asked>,
    /// How often the nearest one was gone back to.
    returns: watch::Sender<u64>,
}

/// Who is asked.
#[derive(Debug, Default)]
struct Asked {
    /// How many were asked before.
    turn: usize,
    connection: Option<Connection>,
}

struct Connection {
    /// Whom it leads to. Members that come change whose turn it is, not this.
    member: String,
    client: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Connection({})", self.member)
    }
}

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EtcdTlsError {
    /// One of them cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Their contents are no certificates and no key.
    #[error("cannot speak TLS to etcd with {}, {} and {}: {source}", .files.ca.display(), .files.certificate.display(), .files.key.display())]
    Contents {
        /// All of them.
        files: TlsFiles,
        /// What is wrong.
        source: tonic::transport::Error,
    },
}

impl Members {
    /// Nobody is asked yet; the TLS files are.
    pub async fn of(location: EtcdLocation) -> Result<Self, EtcdTlsError> {
        let members = Self {
            found: RwLock::new(location.endpoints.clone()),
            location,
            asked: Mutex::default(),
            returns: watch::Sender::new(0),
        };
        members.connect(0).await?;
        Ok(members)
    }

    pub fn location(&self) -> &EtcdLocation {
        &self.location
    }

    /// The answer to a call that changes nothing, or may be done twice.
    pub async fn read<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.ask(call, true).await
    }

    /// The answer to a call that must not be done twice.
    pub async fn write<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.ask(call, false).await
    }

    async fn ask<T, F>(&self, call: impl Fn(Client) -> F, may_repeat: bool) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let until = if may_repeat {
                deadline.min(Instant::now() + ATTEMPT)
            } else {
                deadline
            };
            let (turn, failure) = match self.asked().await {
                Ok((turn, client)) => match timeout_at(until, call(client)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) => (turn, error.into()),
                    Err(_) => (turn, Failure::Lost("no answer came in time".to_owned())),
                },
                Err((turn, error)) => (turn, Failure::NotBegun(error.to_string())),
            };
            let again = match &failure {
                Failure::NotBegun(_) => true,
                Failure::Lost(_) => may_repeat,
                _ => return Err(failure),
            };
            let failed = self.name(turn);
            self.leave(turn).await;
            // An attempt without time would only hide what is wrong.
            if !again || Instant::now() + 2 * PAUSE >= deadline {
                return Err(failure.by(&failed));
            }
            tracing::debug!(member = failed, ?failure, "another member of etcd is asked");
            sleep(PAUSE).await;
        }
    }

    /// Who is asked now: the turn, and a client of that member.
    async fn asked(&self) -> Result<(usize, Client), (usize, EtcdTlsError)> {
        let mut asked = self.asked.lock().await;
        let turn = asked.turn;
        if let Some(connection) = &asked.connection {
            return Ok((turn, connection.client.clone()));
        }
        let connected = self.connection(turn).await;
        let connection = connected.map_err(|error| (turn, error))?;
        let client = connection.client.clone();
        asked.connection = Some(connection);
        Ok((turn, client))
    }

    /// Asks the nearest member from now on, if another one is asked and that one answers within `patience`.
    pub async fn try_nearest(&self, patience: Duration) {
        self.find().await;
        let (nearest, others) = {
            let found = self.found.read();
            (found[0].clone(), found.len())
        };
        let leads_there = |connection: &Connection| connection.member == nearest;
        let asked = self.asked.lock().await;
        if asked.connection.as_ref().is_none_or(leads_there) {
            return;
        }
        let turn = asked.turn.next_multiple_of(others);
        drop(asked);
        let Ok(connection) = self.connection(turn).await else {
            return;
        };
        let mut kv = connection.client.kv_client();
        let probe = kv.get("/", Some(GetOptions::new().with_count_only()));
        if !matches!(timeout(patience, probe).await, Ok(Ok(_))) {
            return;
        }
        tracing::debug!(
            member = connection.member,
            "the nearest member of etcd is asked again"
        );
        let connection = Some(connection);
        *self.asked.lock().await = Asked { turn, connection };
        self.returns.send_modify(|returns| *returns += 1);
    }

    /// Changes whenever the nearest member is gone back to.
    pub fn returns(&self) -> watch::Receiver<u64> {
        self.returns.subscribe()
    }

    /// The one that was asked has failed: whoever asks next asks another.
    async fn leave(&self, turn: usize) {
        let mut asked = self.asked.lock().await;
        if asked.turn == turn {
            *asked = Asked {
                turn: turn + 1,
                connection: None,
            };
        }
    }

    /// The turn of the member that is asked now.
    pub async fn turn(&self) -> usize {
        self.asked.lock().await.turn
    }

    /// A connection of its own to the member whose turn it is.
    pub async fn connect(&self, turn: usize) -> Result<Client, EtcdTlsError> {
        Ok(self.connection(turn).await?.client)
    }

    /// Members are looked for and the TLS files read for each connection, since members come and go, and
    /// certificates are renewed.
    async fn connection(&self, turn: usize) -> Result<Connection, EtcdTlsError> {
        self.find().await;
        let member = self.name(turn);
        let channel = self.endpoint(&member).await?.connect_lazy();
        let options = ConnectOptions::new().with_require_leader(true);
        let client = Client::from_channel(Channel::Tonic(channel), Some(options)).await;
        let client = client.expect("without a user nobody is asked");
        Ok(Connection { member, client })
    }

    fn name(&self, turn: usize) -> String {
        let found = self.found.read();
        found[turn % found.len()].clone()
    }

    /// Looks where the members are now.
    async fn find(&self) {
        let Some(finder) = self.location.finder.clone() else {
            return;
        };
        let found = tokio::task::spawn_blocking(move || finder.find()).await;
        let found = found.unwrap_or_default();
        if !found.is_empty() {
            *self.found.write() = found;
        }
    }

    async fn endpoint(&self, member: &str) -> Result<Endpoint, EtcdTlsError> {
        let endpoint = |scheme: &str| {
            let endpoint = Endpoint::from_shared(format!("{scheme}://{member}"));
            endpoint.expect("a location has nothing but addresses")
        };
        let endpoint = match &self.location.tls {
            None => endpoint("http"),
            Some(files) => {
                let tls = tls(files).await?;
                let secured = endpoint("https").tls_config(tls);
                secured.map_err(|source| EtcdTlsError::Contents {
                    files: (**files).clone(),
                    source,
                })?
            }
        };
        Ok(endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(CALL_WINDOW))
    }
}

async fn tls(files: &TlsFiles) -> Result<ClientTlsConfig, EtcdTlsError> {
    let ca = Certificate::from_pem(read(&files.ca).await?);
    let own = Identity::from_pem(read(&files.certificate).await?, read(&files.key).await?);
    Ok(ClientTlsConfig::new().ca_certificate(ca).identity(own))
}

async fn read(path: &Path) -> Result<Vec<u8>, EtcdTlsError> {
    let read = tokio::fs::read(path).await;
    read.map_err(|source| EtcdTlsError::Read {
        path: path.to_owned(),
        source,
    })
}
