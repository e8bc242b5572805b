mod answers;
mod conforms;
mod faults;
mod imports;
mod neighbours;
mod watches;

use hayrack_etcd::Cluster;

use super::*;

/// The store at these members, or at some of them.
async fn open(endpoints: &str) -> EtcdStore {
    EtcdStore::open(location(endpoints)).await.unwrap()
}

fn location(endpoints: &str) -> EtcdLocation {
    endpoints.parse().unwrap()
}

fn put(key: &str, value: &str) -> Vec<Change> {
    vec![Change::Put(key.into(), value.into())]
}

async fn commit(store: &EtcdStore, key: &str, value: &str) -> Revision {
    match store.transact(vec![], put(key, value)).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Refused => panic!("refused without a condition"),
    }
}

/// What others do in the same etcd.
async fn neighbour(cluster: &Cluster) -> Client {
    Client::connect([cluster.endpoint(0)], None).await.unwrap()
}
