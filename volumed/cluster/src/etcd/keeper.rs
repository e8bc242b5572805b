//! What the daemon does every few seconds for etcd, on every node: runs a member where there shall be one, and, where
//! the leader is, takes the next step of the plan.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::cluster::{Cluster, ClusterError, now};
use crate::etcd::arguments::Beginning;
use crate::etcd::member::{Member, MemberError, data_folder, forget_member};
use crate::etcd::members::{EtcdError, EtcdMember, EtcdMembers, is_on};
use crate::etcd::plan::{Presence, Seen, Step, plan};
use crate::id::NodeId;
use crate::join::{JoinError, fetch_authority};
use crate::registry::{Registry, RegistryError, RenewError};

/// Between the restarts of two members, so that never two are away at once.
const TURN: Duration = Duration::from_secs(20);

/// Why a round came to nothing. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// etcd does not run here.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// etcd refused.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// This node does not work.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The authority's key cannot be had.
    #[error("the authority's key, which a member of etcd has: {0}")]
    Authority(#[from] JoinError),
    /// The tokens were not forgotten.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A node that shall have a member is not in the cluster.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// The data of a membership that ended is in the way.
    #[error("cannot move {} out of the way: {source}", .path.display())]
    Former {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Keeps this node's part of etcd as it shall be.
#[derive(Debug)]
pub struct Keeper {
    cluster: Arc<Cluster>,
    members: EtcdMembers,
    /// The daemon's folder.
    state: PathBuf,
    etcd: Option<PathBuf>,
    member: Option<Member>,
    removed: watch::Receiver<BTreeSet<NodeId>>,
    restart: Restart,
}

/// Whether the member has to be started anew, since a node was removed.
#[derive(Debug, Clone, Copy)]
enum Restart {
    No,
    At(Instant),
    /// This process was told to end.
    After(Option<u32>),
}

impl Keeper {
    /// On this node, whose daemon has its state in `state`; `etcd` is where the program is, if not in `PATH`.
    /// A member that has data is started at once.
    pub fn new(
        cluster: Arc<Cluster>,
        state: &Path,
        etcd: Option<PathBuf>,
    ) -> Result<Self, MemberError> {
        let mut keeper = Self::idle(cluster, state, etcd);
        if has_data(&data_folder(state)) {
            keeper.start(&Beginning::Alone)?;
        }
        Ok(keeper)
    }

    /// The same of a node whose member is to be the only one from now on, with the data that it has; `None` if it has
    /// none. The other members must not run any more.
    pub fn recover(
        cluster: Arc<Cluster>,
        state: &Path,
        etcd: Option<PathBuf>,
    ) -> Result<Option<Self>, MemberError> {
        if !has_data(&data_folder(state)) {
            return Ok(None);
        }
        let mut keeper = Self::idle(cluster, state, etcd);
        keeper.start(&Beginning::WithoutOthers)?;
        Ok(Some(keeper))
    }

    fn idle(cluster: Arc<Cluster>, state: &Path, etcd: Option<PathBuf>) -> Self {
        Self {
            members: EtcdMembers::new(cluster.clone()),
            removed: cluster.identity().trust.removed(),
            cluster,
            state: state.to_owned(),
            etcd,
            member: None,
            restart: Restart::No,
        }
    }

    /// On the first node of a cluster that is being made. What an earlier attempt left is removed.
    pub fn found(
        cluster: Arc<Cluster>,
        state: &Path,
        etcd: Option<PathBuf>,
    ) -> Result<Self, MemberError> {
        forget_member(state)?;
        let mut keeper = Self::new(cluster, state, etcd)?;
        keeper.begin()?;
        Ok(keeper)
    }

    /// Starts the first member of the cluster, which has no data yet.
    pub fn begin(&mut self) -> Result<(), MemberError> {
        self.start(&Beginning::Alone)
    }

    /// This node's member, if it has one.
    pub fn member(&self) -> Option<&Member> {
        self.member.as_ref()
    }

    /// etcd's members.
    pub fn members(&self) -> &EtcdMembers {
        &self.members
    }

    /// Stops this node's member.
    pub async fn stop(mut self) {
        if let Some(member) = self.member.take() {
            member.stop().await;
        }
    }

    /// Does what there is to do now, and says which step was taken for the cluster.
    pub async fn round(
        &mut self,
        registry: &dyn Registry,
        presence: impl Fn(NodeId) -> Presence,
    ) -> Result<Option<Step>, KeepError> {
        self.cluster.refresh(registry).await?;
        if self.member.is_none() && !self.may_have_member() {
            return Ok(None);
        }
        let members = self.members.list().await?;
        self.restart_in_turn(registry, &members).await?;
        self.follow(registry, &members).await?;
        if !self.leads().await {
            return Ok(None);
        }
        self.step(registry, presence).await
    }

    /// A node signs before it becomes a member: all others have nothing to ask of etcd.
    fn may_have_member(&self) -> bool {
        let own = self.cluster.own().node;
        let nodes = self.cluster.members().nodes;
        nodes.iter().any(|node| node.id == own && node.signs)
    }

    /// etcd asks who is who only when somebody connects. So it is started anew after a node was removed, one
    /// member after the other; and once what the node had open is closed, the tokens go that it may have made.
    async fn restart_in_turn(
        &mut self,
        registry: &dyn Registry,
        members: &[EtcdMember],
    ) -> Result<(), RegistryError> {
        if self.removed.has_changed().unwrap_or(false) {
            self.removed.mark_unchanged();
            let own = self.cluster.own().node.to_string();
            let before = members.iter().filter(|member| member.name < own);
            let turns = before.count() as u32;
            self.restart = Restart::At(Instant::now() + TURN * turns);
        }
        let Some(member) = &self.member else {
            return Ok(());
        };
        match self.restart {
            Restart::At(due) if due <= Instant::now() => {
                self.restart = Restart::After(member.process());
                member.restart();
            }
            Restart::After(former) if member.process() != former => {
                registry.forget_tokens().await?;
                self.restart = Restart::No;
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs a member if etcd says that there is one on this node, and none if not.
    async fn follow(
        &mut self,
        registry: &dyn Registry,
        members: &[EtcdMember],
    ) -> Result<(), KeepError> {
        let nodes = self.cluster.members().nodes;
        let own = self.cluster.own().node;
        let Some(own) = nodes.iter().find(|node| node.id == own) else {
            return Ok(());
        };
        let listed = members.iter().any(|member| is_on(member, own));
        match (listed, self.member.take()) {
            (true, None) => {
                // Without it this node cannot say to etcd who was removed.
                fetch_authority(&self.cluster, registry).await?;
                let beginning = members.iter().flat_map(|member| {
                    let name = if is_on(member, own) {
                        own.id.to_string()
                    } else {
                        member.name.clone()
                    };
                    let urls = member.peer_urls.iter();
                    urls.map(move |url| (name.clone(), url.clone()))
                });
                self.start(&Beginning::Beside(beginning.collect()))?;
            }
            // One that was removed ends by itself.
            (false, Some(member)) if member.process().is_none() => {
                tracing::info!("this node keeps the store no more");
                member.stop().await;
                self.put_away()?;
            }
            (_, member) => self.member = member,
        }
        Ok(())
    }

    fn start(&mut self, beginning: &Beginning) -> Result<(), MemberError> {
        let etcd = self.etcd.as_deref();
        self.member = Some(Member::start(&self.cluster, &self.state, etcd, beginning)?);
        Ok(())
    }

    /// A membership that ended is never taken up again: its data would be refused.
    fn put_away(&self) -> Result<(), KeepError> {
        let path = data_folder(&self.state);
        let former = self.state.join(format!("etcd.ended-{}", now()));
        fs::rename(&path, &former).map_err(|source| KeepError::Former { path, source })
    }

    async fn leads(&self) -> bool {
        let own = self.cluster.own().node;
        let nodes = self.cluster.members().nodes;
        let Some(own) = nodes.iter().find(|node| node.id == own) else {
            return false;
        };
        match &self.member {
            Some(_) => self
                .members
                .status(own.place.etcd_client())
                .await
                .is_ok_and(|status| status.leads),
            None => false,
        }
    }

    async fn step(
        &self,
        registry: &dyn Registry,
        presence: impl Fn(NodeId) -> Presence,
    ) -> Result<Option<Step>, KeepError> {
        let nodes = self.cluster.members().nodes;
        let seen = nodes.iter().map(|node| Seen {
            node: node.id,
            number: node.number,
            presence: presence(node.id),
        });
        let seen: Vec<_> = seen.collect();
        let Some(step) = plan(&seen, &self.members.memberships().await?) else {
            return Ok(None);
        };
        match step {
            Step::Add(id) => {
                let node = nodes.iter().find(|node| node.id == id);
                let node = node.ok_or(RenewError::Unknown)?;
                registry.let_sign(id).await?;
                self.members.add(node).await?;
                tracing::info!(node = %node.name, "the node keeps the store from now on");
            }
            Step::Promote(member) => match self.members.promote(member).await {
                Err(EtcdError::Unsettled) => return Ok(None),
                promoted => promoted?,
            },
            Step::Remove(member) => {
                self.members.remove(member).await?;
                tracing::info!(member = member.0, "a member of etcd was removed");
            }
        }
        Ok(Some(step))
    }
}

/// Whether a member was there: it goes on as what it was. A start that ended before etcd had its log left nothing
/// that counts; to begin with that would be to begin another cluster.
fn has_data(folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(folder.join("member/wal")) else {
        return false;
    };
    files.flatten().any(|file| {
        let name = file.file_name();
        Path::new(&name).extension() == Some(OsStr::new("wal"))
    })
}
