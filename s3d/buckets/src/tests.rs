mod opening;

use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;

use s3d_bucket::{Acl, Attributes, Body, Condition, Grant, Grantee, Key as ObjectKey, Permission};
use tempfile::TempDir;
use volumed_meta::SqliteStore;

use super::fake_volumes::FakeVolumes;
use super::feed::FeedRequest;
use super::record::UNSETTLED;
use super::*;
use futures::{FutureExt as _, StreamExt as _};
use s3d_accounts::{AccountSettings, Key, NewUser, Password};
use s3d_names::{BucketName, Email, NamespaceName};

pub(crate) struct Rack {
    folder: TempDir,
    volumes: Arc<FakeVolumes>,
    accounts: Arc<Accounts>,
    pub(crate) buckets: Arc<Buckets>,
    pub(crate) home: NamespaceName,
}

pub(crate) fn settings() -> BucketSettings {
    BucketSettings {
        patience: Duration::from_millis(200),
        settle_every: Duration::from_millis(20),
        ..BucketSettings::default()
    }
}

impl Rack {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: BucketSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let volumes = Arc::new(FakeVolumes::default());
        let (accounts, buckets) = start(&folder, &volumes, settings);
        let home = NamespaceName::new("home").unwrap();
        let new = NewUser {
            email: Email::new("ada@example.com").unwrap(),
            password: Password::new("correct horse").unwrap(),
            namespace: Some(home.clone()),
        };
        accounts.add_user(new, false).await.unwrap();
        Self {
            folder,
            volumes,
            accounts,
            buckets,
            home,
        }
    }

    /// Another process on the same store and volumes, after this one was killed.
    pub(crate) fn restart(self) -> Self {
        self.volumes.crash();
        let Self {
            folder,
            volumes,
            home,
            ..
        } = self;
        let (accounts, buckets) = start(&folder, &volumes, settings());
        Self {
            folder,
            volumes,
            accounts,
            buckets,
            home,
        }
    }

    pub(crate) async fn create(&self, name: &str) -> BucketRecord {
        let name = BucketName::new(name).unwrap();
        self.buckets
            .create(&self.home, &name, None, Settings::default())
            .await
            .unwrap()
    }

    pub(crate) async fn put(&self, record: &BucketRecord) {
        let bucket = self.buckets.open(record).await.unwrap();
        let key = ObjectKey::new("an/object").unwrap();
        let mut writer = bucket.writer(Some(5));
        writer.write("hello".into()).await.unwrap();
        let body: Body = writer.finish().await.unwrap();
        let attributes = Attributes::default();
        bucket
            .put(key, attributes, body, Condition::default())
            .await
            .unwrap();
    }

    async fn refusal(&self, record: &BucketRecord) -> OpenBucketError {
        self.buckets
            .open(record)
            .await
            .err()
            .expect("the bucket does not open")
    }

    async fn holds(&self, record: &BucketRecord) -> bool {
        let bucket = self.buckets.open(record).await.unwrap();
        bucket
            .find(&ObjectKey::new("an/object").unwrap())
            .await
            .unwrap()
            .is_some()
    }

    async fn until_settled(&self) {
        while !self
            .buckets
            .records
            .list::<()>(UNSETTLED)
            .await
            .unwrap()
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn key_to(&self, record: &BucketRecord) -> Key {
        let created = self.buckets.create_key(record, record.key_grant()).await;
        created.unwrap()
    }

    async fn has_key(&self, key: &Key) -> bool {
        self.accounts.key(&key.id).await.unwrap().is_some()
    }
}

fn start(
    folder: &TempDir,
    volumes: &Arc<FakeVolumes>,
    settings: BucketSettings,
) -> (Arc<Accounts>, Arc<Buckets>) {
    let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
    let accounts =
        Arc::new(Accounts::open(store.clone(), folder.path(), AccountSettings::default()).unwrap());
    let buckets = Buckets::start(store, accounts.clone(), volumes.clone(), settings);
    (accounts, buckets)
}

fn name(text: &str) -> BucketName {
    BucketName::new(text).unwrap()
}

#[tokio::test]
async fn a_bucket_is_made_used_and_deleted() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    assert_eq!(record.status, Status::Provisioned);
    assert_eq!(*rack.buckets.find("first").await.unwrap().unwrap(), record);
    assert_eq!(rack.buckets.list(&rack.home).await.unwrap().len(), 1);
    let key = rack.key_to(&record).await;
    assert!(rack.has_key(&key).await);
    rack.put(&record).await;

    let refused = rack.buckets.delete(&record, false).await.unwrap_err();
    assert!(matches!(refused, DeleteBucketError::NotEmpty));
    assert!(rack.holds(&record).await);
    rack.buckets.delete(&record, true).await.unwrap();
    assert!(rack.buckets.find("first").await.unwrap().is_none());
    assert!(rack.buckets.list(&rack.home).await.unwrap().is_empty());
    assert!(!rack.has_key(&key).await);
    assert_eq!(rack.volumes.count(), 0);
    let gone = rack.refusal(&record).await;
    assert_eq!(gone, OpenBucketError::NoSuchBucket);
    assert!(matches!(
        rack.buckets.delete(&record, true).await,
        Err(DeleteBucketError::NoSuchBucket)
    ));

    let again = rack.create("first").await;
    assert_ne!(again.id, record.id);
    assert!(!rack.holds(&again).await);
    assert_eq!(rack.refusal(&record).await, OpenBucketError::NoSuchBucket);
}

#[tokio::test]
async fn a_name_belongs_to_one_namespace() {
    let rack = Rack::new().await;
    rack.create("first").await;
    let first = name("first");
    let mine = rack
        .buckets
        .create(&rack.home, &first, None, Settings::default())
        .await;
    assert!(matches!(mine, Err(CreateBucketError::AlreadyYours)));
    let new = NewUser {
        email: Email::new("eve@example.com").unwrap(),
        password: Password::new("correct horse").unwrap(),
        namespace: None,
    };
    let (_, other) = rack.accounts.add_user(new, false).await.unwrap();
    let taken = rack
        .buckets
        .create(&other, &first, None, Settings::default())
        .await;
    assert!(matches!(taken, Err(CreateBucketError::Taken)));
    let nobody = NamespaceName::new("nobody").unwrap();
    let lost = rack
        .buckets
        .create(&nobody, &name("second"), None, Settings::default())
        .await;
    assert!(matches!(lost, Err(CreateBucketError::NoSuchNamespace)));
    assert_eq!(rack.volumes.count(), 1);
}

#[tokio::test]
async fn a_bucket_with_many_keys_is_deleted_with_all_of_them() {
    let rack = Rack::new().await;
    let record = rack.create("shared").await;
    let other = rack.create("other").await;
    // More than one transaction of the store may delete.
    for _ in 0..60 {
        rack.key_to(&record).await;
    }
    let kept = rack.key_to(&other).await;
    rack.buckets.delete(&record, false).await.unwrap();
    assert!(rack.buckets.find("shared").await.unwrap().is_none());
    assert!(!rack.buckets.is_taken(&name("shared")).await.unwrap());
    let keys = rack.accounts.keys_of(&rack.home).await.unwrap();
    let keys: Vec<_> = keys.into_iter().map(|key| key.id).collect();
    assert_eq!(keys, [kept.id]);
}

#[tokio::test]
async fn an_empty_bucket_is_deleted_also_when_it_is_closed() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.put(&record).await;
    rack.buckets.close_all().await;
    let refused = rack.buckets.delete(&record, false).await;
    assert!(matches!(refused, Err(DeleteBucketError::NotEmpty)));
    let bucket = rack.buckets.open(&record).await.unwrap();
    bucket
        .delete(ObjectKey::new("an/object").unwrap(), Condition::default())
        .await
        .unwrap();
    rack.buckets.delete(&record, false).await.unwrap();
    assert_eq!(rack.volumes.count(), 0);
    // Who had it open can do nothing more with it.
    assert!(bucket.closed().is_some());
}

#[tokio::test]
async fn a_full_pool_leaves_no_bucket() {
    let rack = Rack::new().await;
    rack.volumes.full.store(true, SeqCst);
    let full = rack
        .buckets
        .create(&rack.home, &name("first"), None, Settings::default())
        .await;
    assert!(matches!(full, Err(CreateBucketError::NoSpace)));
    rack.until_settled().await;
    rack.volumes.full.store(false, SeqCst);
    rack.create("first").await;
}

#[tokio::test]
async fn provisioning_goes_on_when_the_daemon_is_back() {
    let rack = Rack::new().await;
    rack.volumes.away.store(true, SeqCst);
    let record = rack.create("first").await;
    assert_eq!(record.status, Status::Provisioning);
    assert_eq!(rack.refusal(&record).await, OpenBucketError::Provisioning);
    let rack = rack.restart();
    rack.volumes.away.store(false, SeqCst);
    rack.until_settled().await;
    let record = rack.buckets.find("first").await.unwrap().unwrap();
    assert_eq!(record.status, Status::Provisioned);
    rack.put(&record).await;
}

#[tokio::test]
async fn deletion_goes_on_when_the_daemon_is_back() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.volumes.away.store(true, SeqCst);
    rack.buckets.delete(&record, true).await.unwrap();
    assert!(rack.buckets.find("first").await.unwrap().is_none());
    let taken = rack
        .buckets
        .create(&rack.home, &name("first"), None, Settings::default())
        .await;
    assert!(matches!(taken, Err(CreateBucketError::BeingDeleted)));
    let rack = rack.restart();
    rack.volumes.away.store(false, SeqCst);
    rack.until_settled().await;
    assert_eq!(rack.volumes.count(), 0);
    rack.create("first").await;
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.put(&record).await;
    let rack = rack.restart();
    assert!(rack.holds(&record).await);
}

#[tokio::test]
async fn a_bucket_is_opened_once_however_many_ask() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.buckets.close_all().await;
    let before = rack.volumes.attached.load(SeqCst);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let (buckets, record) = (rack.buckets.clone(), record.clone());
            tokio::spawn(async move { buckets.open(&record).await.unwrap() })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    assert_eq!(rack.volumes.attached.load(SeqCst), before + 1);
}

#[tokio::test]
async fn a_bucket_opens_again_when_its_connection_was_lost() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.put(&record).await;
    let old = rack.buckets.open(&record).await.unwrap();
    rack.volumes.crash();
    assert!(rack.holds(&record).await);
    let new = rack.buckets.open(&record).await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
}

#[tokio::test]
async fn a_request_waits_for_a_daemon_that_comes_back() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    rack.volumes.away.store(true, SeqCst);
    rack.volumes.crash();
    let (buckets, asked) = (rack.buckets.clone(), record.clone());
    let waiting = tokio::spawn(async move { buckets.open(&asked).await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    rack.volumes.away.store(false, SeqCst);
    waiting.await.unwrap().unwrap();

    rack.volumes.away.store(true, SeqCst);
    rack.volumes.crash();
    let refused = rack.refusal(&record).await;
    assert!(
        matches!(refused, OpenBucketError::Unavailable(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn unused_buckets_are_closed_and_used_ones_are_not() {
    let rack = Rack::new().await;
    let first = rack.create("first").await;
    let second = rack.create("second").await;
    let held = rack.buckets.open(&second).await.unwrap();
    let open = &rack.buckets.open;
    assert!(open.closable(Duration::from_mins(5), 2).is_empty());
    assert_eq!(open.closable(Duration::from_mins(5), 1), ["first"]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(open.closable(Duration::ZERO, 2), ["first"]);
    rack.buckets.close_all().await;
    assert_eq!(rack.buckets.open_count(), 0);
    assert!(held.closed().is_some());
    rack.put(&first).await;
}

#[tokio::test]
async fn no_more_buckets_are_open_than_may_be() {
    let rack = Rack::with(BucketSettings {
        max_open: 2,
        ..settings()
    })
    .await;
    let mut records = Vec::new();
    for number in 0..5 {
        records.push(rack.create(&format!("bucket-{number}")).await);
        assert!(rack.buckets.open_count() <= 2);
    }
    for record in &records {
        rack.put(record).await;
        assert!(rack.buckets.open_count() <= 2);
    }
    let mut held = Vec::new();
    for record in &records[..4] {
        held.push(rack.buckets.open(record).await.unwrap());
    }
    let refusal = rack.refusal(&records[4]).await;
    assert!(
        matches!(refusal, OpenBucketError::Unavailable(_)),
        "{refusal}"
    );
    held.clear();
    assert!(rack.holds(&records[4]).await);
    assert_eq!(rack.buckets.open_count(), 2);
}

#[tokio::test]
async fn a_name_that_passed_to_another_gives_no_right_to_the_bucket() {
    let rack = Rack::new().await;
    let old = rack.create("first").await;
    rack.buckets.delete(&old, false).await.unwrap();
    let new = rack.create("first").await;
    rack.put(&new).await;
    assert!(matches!(
        rack.buckets.delete(&old, true).await,
        Err(DeleteBucketError::NoSuchBucket)
    ));
    assert!(
        rack.buckets
            .create_key(&old, old.key_grant())
            .await
            .is_err()
    );
    let refused = rack.buckets.configure(&old, |_| ()).await;
    assert!(matches!(refused, Err(ConfigureError::NoSuchBucket)));
    assert!(rack.holds(&new).await);
}

#[tokio::test]
async fn settings_are_kept() {
    let rack = Rack::new().await;
    let first = rack.create("first").await;
    let second = rack.create("second").await;
    rack.buckets.delete(&second, false).await.unwrap();
    let acl = Acl {
        grants: vec![Grant {
            grantee: Grantee::AllUsers,
            permission: Permission::Read,
        }],
    };
    let tags = vec![("colour".to_owned(), "green".to_owned())];
    let (public, tagged) = (Some(acl.clone()), tags.clone());
    let buckets = &rack.buckets;
    let (one, other) = tokio::join!(
        buckets.configure(&first, |record| record.acl.clone_from(&public)),
        buckets.configure(&first, |record| record.settings.tags.clone_from(&tagged)),
    );
    assert!(one.is_ok() && other.is_ok());
    let record = rack.buckets.find("first").await.unwrap().unwrap();
    assert_eq!(record.acl, Some(acl));
    assert_eq!(record.settings.tags, tags);
    assert_eq!(record.status, Status::Provisioned);
    let missing = rack.buckets.configure(&second, |_| ()).await;
    assert!(matches!(missing, Err(ConfigureError::NoSuchBucket)));
}

#[tokio::test]
async fn names_that_cannot_be_are_not_found() {
    let rack = Rack::new().await;
    for name in ["", "..", "a/b", "A", "nobody-has-this"] {
        assert!(rack.buckets.find(name).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_feed_goes_on_where_its_reader_was() {
    let rack = Rack::new().await;
    let record = rack.create("first").await;
    let bucket = rack.buckets.open(&record).await.unwrap();
    let follow = |after, prefix: &str| {
        let request = FeedRequest {
            after,
            prefix: prefix.to_owned(),
        };
        rack.buckets.follow(bucket.clone(), request)
    };
    let mut all = pin!(follow(None, "").await.unwrap());
    let mut others = pin!(follow(Some(0), "other/").await.unwrap());
    for feed in [&mut all, &mut others] {
        let begin = feed.next().await.unwrap().unwrap();
        assert!(begin.starts_with(b": still here"));
    }
    rack.put(&record).await;
    let event = all.next().await.unwrap().unwrap();
    let event = String::from_utf8(event.to_vec()).unwrap();
    assert!(
        event.contains("event: put") && event.contains("\"an/object\""),
        "{event}"
    );
    assert!(others.next().now_or_never().is_none());

    let id = event.lines().next().unwrap().strip_prefix("id: ").unwrap();
    let mut behind = pin!(follow(id.parse().ok(), "").await.unwrap());
    behind.next().await.unwrap().unwrap();
    assert!(behind.next().now_or_never().is_none());
    rack.buckets.end_feeds();
    assert!(all.next().await.is_none() && behind.next().await.is_none());
}
