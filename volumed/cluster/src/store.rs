//! The registry in the metadata store.
//!
//! | key | value |
//! |---|---|
//! | `nodes/<id>` | [`Node`] as JSON |
//! | `node-counter` | the last node number given, decimal |
//! | `removed-nodes/<id>` | [`RemovedNode`] as JSON |
//! | `join-tokens/<key>` | [`TokenRecord`] as JSON |
//!
//! Who is let in, renewed and removed is decided on what was read, and written only if that is still so.
//! Every admission changes the counter, so there is one at a time.

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome};

use crate::folder::Members;
use crate::id::{NodeId, NodeNumber};
use crate::node::{Issued, Node, NodeDrain, RemovedNode, VERSION};
use crate::proof::TokenKey;
use crate::registry::{
    AdmitError, Candidate, OrderDrainError, Registry, RegistryError, RemoveError, RenewError,
};

const NODES: &str = "nodes/";
const REMOVED: &str = "removed-nodes/";
const TOKENS: &str = "join-tokens/";
const COUNTER: &[u8] = b"node-counter";
/// Entries read at once.
const PAGE: usize = 500;
/// For how long an expired token is remembered, so that who comes with it is told what it is.
const TOKEN_MEMORY: u64 = 7 * 24 * 60 * 60;

/// A registry in a metadata store.
#[derive(Clone)]
pub struct StoreRegistry(Arc<dyn MetaStore>);

/// A join token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// [`VERSION`].
    pub version: u32,
    /// In seconds since 1970.
    pub expires: u64,
    /// Who used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<NodeId>,
}

impl StoreRegistry {
    /// In this store.
    pub fn new(store: Arc<dyn MetaStore>) -> Self {
        Self(store)
    }

    /// Brings the nodes back as one of them saw them last, in a store that is older than that: who was let in since, and
    /// who was removed. Nobody else may use the store.
    ///
    /// # Errors
    /// When the store does not answer, or a record is damaged.
    pub async fn bring_back(&self, seen: &Members) -> Result<(), RegistryError> {
        let (_, mut last) = self.counter().await?;
        for node in &seen.nodes {
            last = last.max(node.number.0);
            self.0
                .transact(Vec::new(), vec![put(node_key(node.id), node)])
                .await?;
        }
        for removed in &seen.removed {
            last = last.max(removed.number.0);
            let changes = vec![
                Change::Delete(node_key(removed.id).into_bytes()),
                put(removed_key(removed.id), removed),
            ];
            self.0.transact(Vec::new(), changes).await?;
        }
        let counter = Change::Put(COUNTER.to_vec(), last.to_string().into_bytes());
        self.0.transact(Vec::new(), vec![counter]).await?;
        Ok(())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(Entry, T)>, RegistryError> {
        let entry = self.0.get(key.as_bytes()).await?;
        let read = entry.map(|entry| decode(&entry).map(|record| (entry, record)));
        read.transpose()
    }

    async fn all<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<(Entry, T)>, RegistryError> {
        let mut all: Vec<(Entry, T)> = Vec::new();
        loop {
            let after = all.last().map(|(entry, _)| entry.key.clone());
            let page = self
                .0
                .range(prefix.as_bytes(), after.as_deref(), PAGE)
                .await?;
            let count = page.1.len();
            for entry in page.1 {
                let record = decode(&entry)?;
                all.push((entry, record));
            }
            if count < PAGE {
                return Ok(all);
            }
        }
    }

    async fn counter(&self) -> Result<(Compare, u16), RegistryError> {
        let Some(entry) = self.0.get(COUNTER).await? else {
            return Ok((Compare::Absent(COUNTER.to_vec()), 0));
        };
        let text = String::from_utf8_lossy(&entry.value);
        let number = text
            .parse()
            .map_err(|_| damaged(&entry, "it is no number"))?;
        Ok((unchanged(&entry), number))
    }

    /// The candidate as a node, and what has to be as it is now for that.
    async fn judge(
        &self,
        candidate: &Candidate,
        now: u64,
    ) -> Result<(Node, Vec<Compare>, Option<u16>), AdmitError> {
        let removed = removed_key(candidate.id);
        if self.0.get(removed.as_bytes()).await?.is_some() {
            return Err(AdmitError::Removed);
        }
        let (counter, last) = self.counter().await?;
        let nodes: Vec<(Entry, Node)> = self.all(NODES).await?;
        for (_, node) in nodes.iter().filter(|(_, node)| node.id != candidate.id) {
            if node.name == candidate.name {
                return Err(AdmitError::NameTaken(node.name.clone()));
            }
            if node.place.cluster() == candidate.place.cluster() {
                return Err(AdmitError::PlaceTaken(node.name.clone()));
            }
        }
        let mut same = vec![counter, Compare::Absent(removed.into_bytes())];
        if let Some((entry, node)) = nodes.into_iter().find(|(_, node)| node.id == candidate.id) {
            same.push(unchanged(&entry));
            let mut node = with_certificate(node, candidate.certificate, now);
            node.name = candidate.name.clone();
            node.place = candidate.place.clone();
            return Ok((node, same, None));
        }
        same.push(Compare::Absent(node_key(candidate.id).into_bytes()));
        let number = last.checked_add(1).ok_or(AdmitError::Full)?;
        let node = Node {
            version: VERSION,
            id: candidate.id,
            number: NodeNumber(number),
            name: candidate.name.clone(),
            place: candidate.place.clone(),
            joined: now,
            signs: false,
            certificates: vec![candidate.certificate],
            drain: None,
        };
        Ok((node, same, Some(number)))
    }
}

#[async_trait]
impl Registry for StoreRegistry {
    async fn nodes(&self) -> Result<Vec<Node>, RegistryError> {
        let all = self.all::<Node>(NODES).await?;
        let mut nodes: Vec<Node> = all.into_iter().map(|(_, node)| node).collect();
        nodes.sort_by_key(|node| node.number);
        Ok(nodes)
    }

    async fn removed(&self) -> Result<Vec<RemovedNode>, RegistryError> {
        let all = self.all::<RemovedNode>(REMOVED).await?;
        let mut removed: Vec<RemovedNode> = all.into_iter().map(|(_, node)| node).collect();
        removed.sort_by_key(|node| node.number);
        Ok(removed)
    }

    async fn found(&self, first: &Node) -> Result<(), AdmitError> {
        let same = vec![Compare::Absent(COUNTER.to_vec())];
        let puts = vec![
            Change::Put(COUNTER.to_vec(), first.number.to_string().into_bytes()),
            put(node_key(first.id), first),
        ];
        match self.0.transact(same, puts).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Refused => Err(AdmitError::Founded),
        }
    }

    async fn offer(&self, token: TokenKey, expires: u64, now: u64) -> Result<(), RegistryError> {
        let record = TokenRecord {
            version: VERSION,
            expires,
            used: None,
        };
        let mut changes = vec![put(token_key(token), &record)];
        let forgotten = |record: &TokenRecord| record.expires + TOKEN_MEMORY < now;
        let old = self.all::<TokenRecord>(TOKENS).await?.into_iter();
        let old = old.filter(|(_, record)| forgotten(record)).take(PAGE / 5);
        changes.extend(old.map(|(entry, _)| Change::Delete(entry.key)));
        self.0.transact(Vec::new(), changes).await?;
        Ok(())
    }

    async fn admit(
        &self,
        token: TokenKey,
        candidate: &Candidate,
        now: u64,
    ) -> Result<Node, AdmitError> {
        candidate.place.check()?;
        loop {
            let read = self.read::<TokenRecord>(&token_key(token)).await?;
            let (entry, mut record) = read.ok_or(AdmitError::UnknownToken)?;
            match record.used {
                Some(node) if node != candidate.id => return Err(AdmitError::Used),
                _ if record.expires <= now => return Err(AdmitError::Expired),
                _ => record.used = Some(candidate.id),
            }
            let (node, mut same, number) = self.judge(candidate, now).await?;
            same.push(unchanged(&entry));
            let mut puts = vec![
                put(token_key(token), &record),
                put(node_key(node.id), &node),
            ];
            if let Some(number) = number {
                let number = number.to_string().into_bytes();
                puts.push(Change::Put(COUNTER.to_vec(), number));
            }
            if let Outcome::Committed(_) = self.0.transact(same, puts).await? {
                return Ok(node);
            }
        }
    }

    async fn renew(&self, node: NodeId, certificate: Issued, now: u64) -> Result<Node, RenewError> {
        let key = node_key(node);
        loop {
            let read = self.read::<Node>(&key).await?;
            let (entry, node) = read.ok_or(RenewError::Unknown)?;
            let node = with_certificate(node, certificate, now);
            let puts = vec![put(key.clone(), &node)];
            let same = vec![unchanged(&entry)];
            if let Outcome::Committed(_) = self.0.transact(same, puts).await? {
                return Ok(node);
            }
        }
    }

    async fn let_sign(&self, node: NodeId) -> Result<(), RenewError> {
        let key = node_key(node);
        loop {
            let read = self.read::<Node>(&key).await?;
            let (entry, mut node) = read.ok_or(RenewError::Unknown)?;
            if node.signs {
                return Ok(());
            }
            node.signs = true;
            let puts = vec![put(key.clone(), &node)];
            if let Outcome::Committed(_) = self.0.transact(vec![unchanged(&entry)], puts).await? {
                return Ok(());
            }
        }
    }

    async fn order_drain(
        &self,
        node: NodeId,
        drain: Option<NodeDrain>,
    ) -> Result<(), OrderDrainError> {
        let key = node_key(node);
        loop {
            let read = self.read::<Node>(&key).await?;
            let (entry, mut node) = read.ok_or(OrderDrainError::Unknown)?;
            if node.drain.is_some() == drain.is_some() {
                return Ok(());
            }
            node.drain = drain;
            let puts = vec![put(key.clone(), &node)];
            let changed = self.0.transact(vec![unchanged(&entry)], puts).await;
            if let Outcome::Committed(_) = changed.map_err(RegistryError::from)? {
                return Ok(());
            }
        }
    }

    async fn forget_tokens(&self) -> Result<(), RegistryError> {
        let all = Change::DeletePrefix(TOKENS.as_bytes().to_vec());
        self.0.transact(Vec::new(), vec![all]).await?;
        Ok(())
    }

    async fn remove(&self, node: NodeId, now: u64) -> Result<RemovedNode, RemoveError> {
        let key = node_key(node);
        loop {
            let (counter, last_number) = self.counter().await?;
            let nodes = self.all::<Node>(NODES).await?;
            let last = nodes.len() == 1;
            let found = nodes.into_iter().find(|(_, found)| found.id == node);
            let (entry, node) = found.ok_or(RemoveError::Unknown)?;
            if last {
                return Err(RemoveError::Last);
            }
            let removed = RemovedNode {
                version: VERSION,
                id: node.id,
                number: node.number,
                name: node.name,
                removed: now,
                certificates: node.certificates,
            };
            let changes = vec![
                Change::Delete(key.clone().into_bytes()),
                put(removed_key(node.id), &removed),
                Change::DeletePrefix(TOKENS.as_bytes().to_vec()),
                // Unchanged, but written: two that remove each other cannot both succeed.
                Change::Put(COUNTER.to_vec(), last_number.to_string().into_bytes()),
            ];
            let same = vec![unchanged(&entry), counter];
            if let Outcome::Committed(_) = self.0.transact(same, changes).await? {
                return Ok(removed);
            }
        }
    }
}

/// The node with one certificate more, and without those that expired.
fn with_certificate(mut node: Node, certificate: Issued, now: u64) -> Node {
    node.certificates.retain(|known| known.expires > now);
    node.certificates.push(certificate);
    node
}

fn node_key(node: NodeId) -> String {
    format!("{NODES}{node}")
}

fn removed_key(node: NodeId) -> String {
    format!("{REMOVED}{node}")
}

fn token_key(token: TokenKey) -> String {
    format!("{TOKENS}{token}")
}

fn unchanged(entry: &Entry) -> Compare {
    Compare::Unchanged(entry.key.clone(), entry.modified)
}

fn put<T: Serialize>(key: String, record: &T) -> Change {
    let value = serde_json::to_vec(record).expect("a record is plain data");
    Change::Put(key.into_bytes(), value)
}

fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, RegistryError> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let why = |error: serde_json::Error| damaged(entry, &error.to_string());
    let form: Form = serde_json::from_slice(&entry.value).map_err(why)?;
    if form.version > VERSION {
        return Err(RegistryError::Newer {
            key: String::from_utf8_lossy(&entry.key).into_owned(),
            version: form.version,
        });
    }
    serde_json::from_slice(&entry.value).map_err(why)
}

fn damaged(entry: &Entry, why: &str) -> RegistryError {
    RegistryError::Damaged {
        key: String::from_utf8_lossy(&entry.key).into_owned(),
        why: why.to_owned(),
    }
}
