//! etcd's members, asked and changed through its own API.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, MemberAddOptions, TlsOptions};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cluster::{Cluster, ClusterError};
use crate::etcd::plan::{MemberId, Membership, Part};
use crate::folder::FolderError;
use crate::id::NodeId;
use crate::node::Node;
use crate::store_location::in_turn;

/// A member that lives answers long before.
const PATIENCE: Duration = Duration::from_secs(3);

/// One that is asked whether it is there, and is, answers long before.
const THERE: Duration = Duration::from_secs(1);

/// etcd's URL at an address.
pub fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}

fn address(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("https://")?.parse().ok()
}

/// A member as etcd lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its id.
    pub id: MemberId,
    /// The id of its node, once its process was there.
    pub name: String,
    /// Where it speaks to the others.
    pub peer_urls: Vec<String>,
    /// Where it serves clients, once its process was there.
    pub client_urls: Vec<String>,
    /// It does not vote yet.
    pub learner: bool,
}

impl From<&etcd_client::Member> for EtcdMember {
    fn from(member: &etcd_client::Member) -> Self {
        Self {
            id: MemberId(member.id()),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            client_urls: member.client_urls().to_vec(),
            learner: member.is_learner(),
        }
    }
}

/// What is asked of etcd; it answers its members after that.
enum Call {
    List,
    Add(String),
    Promote(MemberId),
    Remove(MemberId),
}

impl Call {
    async fn by(&self, mut client: Client) -> Result<Vec<etcd_client::Member>, etcd_client::Error> {
        let members = match self {
            Self::List => {
                // A member answers from what it has; after this read it has what all have.
                client.get("node-counter", None).await?;
                client.member_list().await?.members().to_vec()
            }
            Self::Add(peer) => {
                let learner = MemberAddOptions::new().with_is_learner();
                let added = client.member_add([peer], Some(learner)).await?;
                added.member_list().to_vec()
            }
            Self::Promote(member) => client.member_promote(member.0).await?.members().to_vec(),
            Self::Remove(member) => client.member_remove(member.0).await?.members().to_vec(),
        };
        Ok(members)
    }
}

/// What one member says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Which one.
    pub member: MemberId,
    /// It leads.
    pub leads: bool,
}

/// Why etcd did not do it.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// No member answers.
    #[error("no member of etcd answers{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Silent(Option<Box<Self>>),
    /// It refused, or the connection broke.
    #[error("etcd: {0}")]
    Etcd(#[from] etcd_client::Error),
    /// No answer in time.
    #[error("etcd does not answer in {} s", PATIENCE.as_secs())]
    TimedOut,
    /// Members met a moment ago, or one of them is away or behind; etcd changes none before it is sure of the others.
    #[error("etcd's members have not all been there for five seconds; try again in a moment")]
    Unsettled,
    /// This node's certificate cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// This node's certificate cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// The members of this node's cluster.
#[derive(Debug, Clone)]
pub struct EtcdMembers(Arc<Cluster>);

impl EtcdMembers {
    /// Found through the nodes that the cluster knows.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self(cluster)
    }

    /// Every member, by whichever answers.
    pub async fn list(&self) -> Result<Vec<EtcdMember>, EtcdError> {
        self.anywhere(&Call::List).await
    }

    /// What the member at an address says of itself.
    pub async fn status(&self, address: SocketAddr) -> Result<Status, EtcdError> {
        let mut client = self.client(address).await?;
        let status = Box::pin(timed(client.status())).await?;
        let member = status
            .header()
            .map_or(0, etcd_client::ResponseHeader::member_id);
        Ok(Status {
            member: MemberId(member),
            leads: status.leader() == member && member != 0,
        })
    }

    /// Whether the members on all other nodes answer at once.
    pub async fn all_others_answer(&self) -> bool {
        let own = self.0.own().node;
        let nodes = self.0.members().nodes.into_iter();
        let mut asked = JoinSet::new();
        for node in nodes.filter(|node| node.signs && node.id != own) {
            let all = self.clone();
            let address = node.place.etcd_client();
            asked.spawn(async move {
                let status = timeout(THERE, all.status(address)).await;
                matches!(status, Ok(Ok(_)))
            });
        }
        asked.join_all().await.into_iter().all(|answers| answers)
    }

    /// Makes a learner of a node.
    pub async fn add(&self, node: &Node) -> Result<(), EtcdError> {
        let call = Call::Add(url(node.place.etcd_peer()));
        self.anywhere(&call).await.map(drop)
    }

    /// Lets a learner vote.
    pub async fn promote(&self, member: MemberId) -> Result<(), EtcdError> {
        self.anywhere(&Call::Promote(member)).await.map(drop)
    }

    /// Ends a membership.
    pub async fn remove(&self, member: MemberId) -> Result<(), EtcdError> {
        self.anywhere(&Call::Remove(member)).await.map(drop)
    }

    /// etcd's members as the plan sees them: whose they are, and who answers.
    pub async fn memberships(&self) -> Result<Vec<Membership>, EtcdError> {
        let nodes = self.0.members().nodes;
        let mut memberships = Vec::new();
        let members = self.list().await?;
        let answering = self.answering(&members).await;
        for member in &members {
            let node = nodes.iter().find(|node| is_on(member, node));
            let part = if member.learner {
                let started = !member.name.is_empty();
                Part::Learner { started }
            } else {
                let answers = answering.contains(&member.id);
                Part::Voter { answers }
            };
            memberships.push(Membership {
                id: member.id,
                node: node.map(|node| node.id),
                part,
            });
        }
        Ok(memberships)
    }

    /// Those that answer. All are asked at once: one that is down is waited for.
    async fn answering(&self, members: &[EtcdMember]) -> BTreeSet<MemberId> {
        let mut asked = JoinSet::new();
        for member in members.iter().filter(|member| !member.learner).cloned() {
            let all = self.clone();
            asked.spawn(async move { all.answers(&member).await.then_some(member.id) });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }

    /// Whether a member answers, also if its node is in the cluster no more.
    async fn answers(&self, member: &EtcdMember) -> bool {
        let mut addresses = member.client_urls.iter().filter_map(|url| address(url));
        let Some(address) = addresses.next() else {
            return false;
        };
        let status = self.status(address).await;
        status.is_ok_and(|status| status.member == member.id)
    }

    /// Asks the members one after the other, until one answers.
    async fn anywhere(&self, call: &Call) -> Result<Vec<EtcdMember>, EtcdError> {
        let mut last = None;
        for node in in_turn(self.0.members().nodes, self.0.own()) {
            let client = self.client(node.place.etcd_client()).await?;
            match Box::pin(timed(call.by(client))).await {
                Ok(members) => return Ok(members.iter().map(EtcdMember::from).collect()),
                Err(error) if is_unsettled(&error) => return Err(EtcdError::Unsettled),
                Err(error) if is_refusal(&error) => return Err(error),
                Err(error) => last = Some(Box::new(error)),
            }
        }
        Err(EtcdError::Silent(last))
    }

    async fn client(&self, address: SocketAddr) -> Result<Client, EtcdError> {
        let options = ConnectOptions::new()
            .with_tls(self.tls(address)?)
            .with_connect_timeout(PATIENCE)
            .with_timeout(PATIENCE);
        Ok(Box::pin(Client::connect([url(address)], Some(options))).await?)
    }

    fn tls(&self, address: SocketAddr) -> Result<TlsOptions, EtcdError> {
        let folder = &self.0.folder;
        let own = Identity::from_pem(folder.needed("node.crt")?, folder.needed("node.key")?);
        let authorities = Certificate::from_pem(folder.needed("ca.crt")?);
        Ok(TlsOptions::new()
            .domain_name(address.ip().to_string())
            .ca_certificate(authorities)
            .identity(own))
    }
}

/// Whether a member is on that node: by its name, or before it was started by where it shall be.
pub fn is_on(member: &EtcdMember, node: &Node) -> bool {
    if member.name.is_empty() {
        return member.peer_urls.contains(&url(node.place.etcd_peer()));
    }
    member.name.parse::<NodeId>() == Ok(node.id)
}

fn is_unsettled(error: &EtcdError) -> bool {
    const LATER: [&str; 2] = [
        "etcdserver: unhealthy cluster",
        "etcdserver: can only promote a learner member which is in sync with leader",
    ];
    match error {
        EtcdError::Etcd(etcd_client::Error::GRpcStatus(status)) => {
            LATER.contains(&status.message())
        }
        _ => false,
    }
}

/// Whether a member that works said no. (What cannot be reached is unavailable.)
fn is_refusal(error: &EtcdError) -> bool {
    const UNAVAILABLE: i32 = 14;
    const TIMED_OUT: i32 = 4;
    const UNKNOWN: i32 = 2;
    match error {
        EtcdError::Etcd(etcd_client::Error::GRpcStatus(status)) => {
            let code = i32::from(status.code());
            ![UNAVAILABLE, TIMED_OUT, UNKNOWN].contains(&code)
        }
        _ => false,
    }
}

async fn timed<T>(
    call: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, EtcdError> {
    let answer = timeout(PATIENCE, call).await;
    Ok(answer.map_err(|_| EtcdError::TimedOut)??)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_read_from_its_url(address_of_member: SocketAddr) {
            // A flow and a scope are of one machine.
            let plain = SocketAddr::new(address_of_member.ip(), address_of_member.port());
            prop_assert_eq!(address(&url(plain)), Some(plain));
        }
    }
}
