//! Where the cluster's metadata store is: in the etcd that some of its nodes run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use volumed_meta::{EtcdLocation, Finder, Location, MetaStore, OpenError, OpenEtcdError, TlsFiles};

use crate::folder::{Folder, FolderError, Members, Own};
use crate::node::Node;

/// Our keys' place in the cluster's etcd.
const NAME: &str = "hayrack";
/// Between two attempts to open the store.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the log says that it cannot be opened yet.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Where the store is of the cluster that the node of the volumed is in whose folder is `data`; none if it is in
/// none. A store that is opened there finds nodes that run etcd later as well: `data` is read again for each
/// connection.
pub fn store_location(data: &Path) -> Result<Option<Location>, FolderError> {
    let folder = Folder::of(data);
    let own: Option<Own> = folder.record("node.json")?;
    Ok(own.map(|own| Location::Etcd(etcd_location(&folder, &own))))
}

/// Opens the cluster's store, and waits as long as its etcd does not answer: after a power cut of the whole rack
/// it does once most of the nodes that run it are back. The log says so meanwhile.
pub async fn open_store(location: &Location) -> Result<Arc<dyn MetaStore>, OpenError> {
    let mut said: Option<Instant> = None;
    loop {
        match volumed_meta::open(location).await {
            Err(error @ OpenError::Etcd(OpenEtcdError::Unavailable { .. })) => {
                if said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(
                        "waiting until more than half of the nodes that run etcd are there: {error}"
                    );
                }
                sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

pub fn etcd_location(folder: &Folder, own: &Own) -> EtcdLocation {
    let (found_in, of) = (folder.clone(), own.clone());
    EtcdLocation {
        endpoints: endpoints(folder, own),
        finder: Some(Finder::new(move || endpoints(&found_in, &of))),
        name: NAME.to_owned(),
        tls: Some(Box::new(TlsFiles {
            ca: folder.path("ca.crt"),
            certificate: folder.path("node.crt"),
            key: folder.path("node.key"),
        })),
    }
}

/// Where etcd is as far as this node knows; on itself, if that cannot be read.
fn endpoints(folder: &Folder, own: &Own) -> Vec<String> {
    let members: Option<Members> = folder.record("members.json").unwrap_or_else(|error| {
        tracing::error!(%error, "the nodes of the cluster are not known");
        None
    });
    let found = in_turn(members.unwrap_or_default().nodes, own);
    if found.is_empty() {
        return vec![own.place.etcd_client().to_string()];
    }
    found
        .iter()
        .map(|node| node.place.etcd_client().to_string())
        .collect()
}

/// The nodes that run etcd, this one first, then those that come after it: so nodes do not all ask the same one.
pub fn in_turn(mut nodes: Vec<Node>, own: &Own) -> Vec<Node> {
    nodes.retain(|node| node.signs);
    nodes.sort_by_key(|node| (node.number < own.number, node.number));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeNumber;
    use crate::tests::{name, place};
    use crate::{Cluster, NodeId, Place};

    fn found() -> (tempfile::TempDir, Cluster, Node) {
        let data = tempfile::tempdir().unwrap();
        let (cluster, node) = Cluster::found(data.path(), name("first"), place(1)).unwrap();
        (data, cluster, node)
    }

    fn elsewhere(etcd_client: u16) -> Place {
        let mut place = place(1);
        place.ports.etcd_client = etcd_client;
        place
    }

    #[test]
    fn a_node_that_is_in_no_cluster_has_no_store_there() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(store_location(data.path()).unwrap(), None);
        Cluster::prepare(data.path(), name("first"), place(1)).unwrap();
        assert_eq!(
            store_location(data.path()).unwrap(),
            None,
            "it has not entered"
        );
    }

    #[test]
    fn nodes_that_run_etcd_are_found_when_they_come() {
        let (data, cluster, first) = found();
        let Some(Location::Etcd(location)) = store_location(data.path()).unwrap() else {
            panic!("it is in a cluster");
        };
        let at_first = first.place.etcd_client().to_string();
        assert_eq!(location.endpoints, std::slice::from_ref(&at_first));
        let tls = location.tls.clone().unwrap();
        assert!(tls.ca.exists() && tls.certificate.exists() && tls.key.exists());

        let more = |number: u16, signs| Node {
            id: NodeId(u128::from(number)),
            number: NodeNumber(number),
            place: elsewhere(number),
            signs,
            ..first.clone()
        };
        let members = Members {
            version: 1,
            nodes: vec![first.clone(), more(2, true), more(3, false)],
            removed: Vec::new(),
        };
        cluster
            .folder
            .write_record("members.json", &members)
            .unwrap();
        let at_second = more(2, true).place.etcd_client().to_string();
        assert_eq!(
            endpoints(&cluster.folder, cluster.own()),
            [at_first, at_second]
        );
    }

    #[test]
    fn a_node_asks_itself_first_and_then_those_behind_it() {
        let (_data, cluster, first) = found();
        let nodes = [1, 2, 3, 4].map(|number| Node {
            number: NodeNumber(number),
            signs: number != 4,
            ..first.clone()
        });
        let order = |own: u16| {
            let own = Own {
                number: NodeNumber(own),
                ..cluster.own().clone()
            };
            let nodes = in_turn(nodes.to_vec(), &own);
            nodes.iter().map(|node| node.number.0).collect::<Vec<_>>()
        };
        assert_eq!(order(1), [1, 2, 3]);
        assert_eq!(order(2), [2, 3, 1]);
        assert_eq!(order(4), [1, 2, 3]);
    }
}
