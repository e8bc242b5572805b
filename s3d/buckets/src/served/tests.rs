//! Several nodes on one store and the same volumes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use parking_lot::Mutex;
use s3d_accounts::{AccountSettings, Accounts, NewUser, Password};
use s3d_bucket::{Attributes, Condition, Key};
use s3d_names::{BucketName, Email, NamespaceName};
use tempfile::TempDir;
use volumed_meta::SqliteStore;

use super::*;
use crate::fake_volumes::{FakeNode, FakeVolumes};
use crate::replicas::AS_MANY_AS_NODES;
use crate::{BucketSettings, Neighbours, Settings, Status};

/// The nodes whose s3d lives, as all of them know it.
#[derive(Default)]
struct Living(Mutex<BTreeSet<NodeNumber>>);

struct SeenFrom {
    own: NodeNumber,
    living: Arc<Living>,
}

impl Neighbours for SeenFrom {
    fn own(&self) -> Option<NodeNumber> {
        Some(self.own)
    }

    fn serves(&self, node: NodeNumber) -> bool {
        node != self.own && self.living.0.lock().contains(&node)
    }
}

struct Node {
    volumes: Arc<FakeNode>,
    buckets: Arc<Buckets>,
}

struct Nodes {
    first: Node,
    second: Node,
    living: Arc<Living>,
    volumes: Arc<FakeVolumes>,
    home: NamespaceName,
    _folder: TempDir,
}

impl Nodes {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let volumes = Arc::new(FakeVolumes::default());
        let living = Arc::new(Living::default());
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let accounts = Accounts::open(store.clone(), folder.path(), AccountSettings::default());
        let accounts = Arc::new(accounts.unwrap());
        let home = NamespaceName::new("home").unwrap();
        let new = NewUser {
            email: Email::new("ada@example.com").unwrap(),
            password: Password::new("correct horse").unwrap(),
            namespace: Some(home.clone()),
        };
        accounts.add_user(new, false).await.unwrap();
        let [first, second] = [1, 2].map(|number| {
            let own = NodeNumber(number);
            living.0.lock().insert(own);
            let neighbours = SeenFrom {
                own,
                living: living.clone(),
            };
            let volumes = volumes.of_node(own);
            let settings = BucketSettings {
                patience: Duration::from_millis(200),
                settle_every: Duration::from_millis(5),
                ..BucketSettings::default()
            };
            let buckets = Buckets::start_among(
                Arc::new(neighbours),
                store.clone(),
                accounts.clone(),
                volumes.clone(),
                settings,
            );
            Node { volumes, buckets }
        });
        Self {
            first,
            second,
            living,
            volumes,
            home,
            _folder: folder,
        }
    }

    /// Made on the first node.
    async fn bucket(&self, name: &str) -> BucketRecord {
        let name = BucketName::new(name).unwrap();
        let made = self
            .first
            .buckets
            .create(&self.home, &name, None, Settings::default());
        made.await.unwrap()
    }
}

async fn put(buckets: &Arc<Buckets>, bucket: &BucketRecord, key: &str) {
    let open = buckets.open(bucket).await.unwrap();
    let body = open.writer(Some(0)).finish().await.unwrap();
    let key = Key::new(key).unwrap();
    let put = open.put(key, Attributes::default(), body, Condition::default());
    put.await.unwrap();
}

#[tokio::test]
async fn a_bucket_is_open_on_one_node() {
    let nodes = Nodes::new().await;
    let bucket = nodes.bucket("one").await;
    put(&nodes.first.buckets, &bucket, "a").await;
    assert_eq!(nodes.first.buckets.server(&bucket).await, Ok(Server::Here));
    let elsewhere = Server::Elsewhere(NodeNumber(1));
    assert_eq!(nodes.second.buckets.server(&bucket).await, Ok(elsewhere));
    let refused = nodes.second.buckets.open(&bucket).await.err();
    let expected = OpenBucketError::ServedElsewhere(NodeNumber(1));
    assert_eq!(refused, Some(expected));
    assert!(nodes.first.buckets.is_open(&bucket));
    put(&nodes.first.buckets, &bucket, "b").await;
    // The volume of a new bucket follows the number of nodes.
    assert_eq!(nodes.volumes.replicas(), [AS_MANY_AS_NODES]);
}

#[tokio::test]
async fn a_bucket_of_an_s3d_that_is_gone_is_taken_over() {
    let nodes = Nodes::new().await;
    let bucket = nodes.bucket("one").await;
    put(&nodes.first.buckets, &bucket, "a").await;
    // Its volume daemon lives on, and serves for nobody.
    nodes.living.0.lock().remove(&NodeNumber(1));
    assert_eq!(
        nodes.second.buckets.server(&bucket).await,
        Ok(Server::Nobody)
    );
    let open = nodes.second.buckets.open(&bucket).await.unwrap();
    assert!(open.find(&Key::new("a").unwrap()).await.unwrap().is_some());
    assert!(!nodes.first.buckets.is_open(&bucket));
}

/// V1: an index in memory answers as before, but no answer of it counts.
#[tokio::test]
async fn what_is_read_of_a_bucket_that_was_taken_over_does_not_count() {
    let nodes = Nodes::new().await;
    let (first, second) = (&nodes.first.buckets, &nodes.second.buckets);
    let bucket = nodes.bucket("one").await;
    put(first, &bucket, "a").await;
    let began = first.begin();
    let held = first.open(&bucket).await.unwrap();
    assert!(first.counts(&bucket, began).await);
    nodes.living.0.lock().remove(&NodeNumber(1));
    put(second, &bucket, "b").await;
    assert!(
        held.find(&Key::new("b").unwrap()).await.unwrap().is_none(),
        "it is read in memory"
    );
    assert!(!first.counts(&bucket, began).await);
    // Nor once the bucket is open here again.
    nodes.living.0.lock().clear();
    put(first, &bucket, "c").await;
    assert!(!first.counts(&bucket, began).await);
    assert!(first.counts(&bucket, first.begin()).await);
}

#[tokio::test]
async fn a_bucket_of_a_volume_daemon_that_is_gone_is_taken_over() {
    let nodes = Nodes::new().await;
    let bucket = nodes.bucket("one").await;
    nodes.first.volumes.die();
    put(&nodes.second.buckets, &bucket, "a").await;
    let refused = nodes.first.buckets.open(&bucket).await.err();
    assert!(matches!(refused, Some(OpenBucketError::Unavailable(_))));
    nodes.first.volumes.away.store(false, SeqCst);
    let elsewhere = Server::Elsewhere(NodeNumber(2));
    assert_eq!(nodes.first.buckets.server(&bucket).await, Ok(elsewhere));
}

#[tokio::test]
async fn what_is_given_up_opens_elsewhere() {
    let nodes = Nodes::new().await;
    let bucket = nodes.bucket("one").await;
    put(&nodes.first.buckets, &bucket, "a").await;
    let used = nodes.first.buckets.open(&bucket).await.unwrap();
    let buckets = nodes.first.buckets.clone();
    let giving_up = tokio::spawn(async move {
        buckets.give_up_all(Duration::from_mins(1)).await;
    });
    while nodes.first.buckets.is_open(&bucket) {
        tokio::task::yield_now().await;
    }
    // Who had it ends first, and whoever asks waits for that.
    let first = nodes.first.buckets.clone();
    let (asked, record) = (first.clone(), bucket.clone());
    let asking = tokio::spawn(async move { asked.server(&record).await });
    assert!(used.find(&Key::new("a").unwrap()).await.unwrap().is_some());
    assert!(!asking.is_finished());
    drop(used);
    giving_up.await.unwrap();
    assert_eq!(asking.await.unwrap(), Ok(Server::Nobody));
    put(&nodes.second.buckets, &bucket, "b").await;
}

#[tokio::test]
async fn a_node_leaves_alone_what_another_one_is_making() {
    let nodes = Nodes::new().await;
    nodes.first.volumes.away.store(true, SeqCst);
    let bucket = nodes.bucket("one").await;
    assert_eq!(bucket.status, Status::Provisioning);
    nodes.second.buckets.settle_all().await.unwrap();
    let found = nodes.second.buckets.find("one").await.unwrap().unwrap();
    assert_eq!(found.status, Status::Provisioning);
    nodes.living.0.lock().remove(&NodeNumber(1));
    while nodes
        .second
        .buckets
        .find("one")
        .await
        .unwrap()
        .unwrap()
        .status
        != Status::Provisioned
    {
        tokio::task::yield_now().await;
    }
}
