//! What a node does for its cluster while its daemon runs.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use volumed_cluster::{
    CERTIFICATE_LIFE, EtcdError, KeepError, Keeper, Signer, Step, renew_regularly,
};
use volumed_node::Volumes;

use super::entered::{EnterError, Entered};
use super::links::Links;
use super::nodes::Nodes;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(2);

/// They are done until they are [ended](Self::end).
#[derive(Debug)]
pub struct Duties {
    stop: watch::Sender<bool>,
    keeping: JoinHandle<(Keeper, Links)>,
    /// What goes on all the time beside.
    _tasks: JoinSet<()>,
}

/// Why this node cannot do them.
#[derive(Debug, thiserror::Error)]
pub enum DutiesError {
    /// Somebody else listens, or the address is not this machine's.
    #[error(
        "cannot listen on {address}, where other nodes of the cluster look for this one: {source}"
    )]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// There are no threads for links.
    #[error("cannot serve links of other nodes: {0}")]
    Links(io::Error),
    /// This node is not what it should be.
    #[error(transparent)]
    Enter(#[from] EnterError),
}

impl Duties {
    /// Begins them. `threads` serve links of other nodes.
    pub async fn begin(
        entered: Entered,
        nodes: &Nodes,
        volumes: &Volumes,
        threads: usize,
    ) -> Result<Self, DutiesError> {
        let own = entered.own_node()?;
        let Entered {
            cluster,
            keeper,
            mut tasks,
        } = entered;
        let place = &cluster.own().place;
        volumes.know_nodes(cluster.members().nodes);
        let socket = bind(place.links()).await?.into_std();
        let links = socket.and_then(|it| Links::start(it, &own, threads, volumes.hosting()));
        let links = links.map_err(DutiesError::Links)?;
        let socket = bind(place.cluster()).await?;
        let signer = Signer::new(cluster.clone(), nodes.registry(), CERTIFICATE_LIFE);
        tasks.spawn(renew_regularly(cluster.clone(), signer.clone()));
        tasks.spawn(async move {
            if let Err(error) = signer.serve(socket).await {
                tracing::error!(%error, "no node can join or renew its certificate here");
            }
        });
        let (stop, stopped) = watch::channel(false);
        let keeping = tokio::spawn(keep(keeper, links, nodes.clone(), stopped));
        Ok(Self {
            stop,
            keeping,
            _tasks: tasks,
        })
    }

    /// Ends them, links first, so that nobody asks replicas for more. What is left is this node's part of etcd,
    /// which goes on: the volumes need the store to stop.
    pub async fn end(self) -> Option<Keeper> {
        self.stop.send_replace(true);
        match self.keeping.await {
            Ok((keeper, links)) => {
                links.stop().await;
                Some(keeper)
            }
            Err(error) => {
                tracing::error!(%error, "the cluster's nodes were not followed any more");
                None
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, DutiesError> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|source| DutiesError::Address { address, source })
}

/// Follows the nodes of the cluster, and keeps etcd as it shall be.
async fn keep(
    mut keeper: Keeper,
    links: Links,
    nodes: Nodes,
    mut stopped: watch::Receiver<bool>,
) -> (Keeper, Links) {
    let mut trouble = Trouble::default();
    loop {
        let round = tokio::select! {
            round = one_round(&mut keeper, &nodes) => round,
            _ = stopped.wait_for(|stopped| *stopped) => return (keeper, links),
        };
        trouble.log(round, &nodes);
        // Also when etcd did not do its part: what was read of the nodes counts.
        nodes.look();
        nodes.obey().await;
        for removed in nodes.removed() {
            links.refuse(removed);
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return (keeper, links),
        }
    }
}

type Round<'r> = Pin<Box<dyn Future<Output = Result<Option<Step>, KeepError>> + Send + 'r>>;

/// It is large: not part of whoever waits for it.
fn one_round<'r>(keeper: &'r mut Keeper, nodes: &'r Nodes) -> Round<'r> {
    Box::pin(async move {
        let presence = |node| nodes.presence(node, Instant::now());
        keeper.round(&*nodes.registry(), presence).await
    })
}

/// What went wrong the last time: the log says it once.
#[derive(Debug, Default)]
struct Trouble(Option<String>);

impl Trouble {
    fn log(&mut self, round: Result<Option<Step>, KeepError>, nodes: &Nodes) {
        let mut now = match round {
            // As it is for some seconds after each change of its members.
            Ok(_) | Err(KeepError::Etcd(EtcdError::Unsettled)) => None,
            Err(error) => Some(error.to_string()),
        };
        if nodes.is_removed() {
            now = Some("this node was removed from it; to join again, stop volumed and remove its folder DATA/cluster".to_owned());
        }
        match (&self.0, &now) {
            (_, Some(error)) if self.0 != now => {
                tracing::warn!(
                    "this node's part of the cluster is not what it should be yet: {error}"
                );
            }
            (Some(_), None) => tracing::info!("this node's part of the cluster is as it should be"),
            _ => {}
        }
        self.0 = now;
    }
}
