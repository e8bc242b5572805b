//! The S3 front over buckets in memory, asked one request after the other.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected};
use s3d_accounts::{AccountSettings, Accounts, Key, NewUser, Password};
use s3d_buckets::fake_volumes::FakeVolumes;
use s3d_buckets::{BucketSettings, Buckets, Settings};
use s3d_front::Front;
use s3d_names::{BucketName, Email, NamespaceName};
use s3s::region::Region;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use volumed_meta::SqliteStore;

/// The host of every request.
pub const HOST: &str = "s3.example.org";
/// Requests before everything is made anew: what they stored takes memory.
const REQUESTS: u32 = 20_000;

thread_local! {
    /// Never dropped at the end of a thread: by then the runtime's own thread-locals may be gone.
    static RACK: RefCell<ManuallyDrop<Option<Rack>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
    /// Where it stores its records.
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

struct Rack {
    runtime: Runtime,
    front: Front,
    key: Key,
    left: u32,
}

/// Makes a request with the key of the tenant whose bucket `bucket` is, and sends it.
///
/// # Panics
/// When the answer is an internal error.
pub fn ask(request: impl FnOnce(&Key) -> Option<Request<Body>>) {
    RACK.with_borrow_mut(|rack| {
        if rack.as_ref().is_none_or(|rack| rack.left == 0) {
            **rack = Some(Rack::new());
        }
        let rack = rack.as_mut().expect("it was just made");
        rack.left -= 1;
        let Some(request) = request(&rack.key) else {
            return;
        };
        rack.runtime.block_on(async {
            let answer: Response<Body> = rack
                .front
                .clone()
                .oneshot(request)
                .await
                .expect("it always answers");
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map(Collected::to_bytes);
            assert!(status != 500, "an internal error: {body:?}");
        });
    });
}

impl Rack {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (front, key) = runtime.block_on(front(&folder));
        FOLDER.replace(Some(folder));
        Self {
            runtime,
            front,
            key,
            left: REQUESTS,
        }
    }
}

async fn front(folder: &TempDir) -> (Front, Key) {
    let store = SqliteStore::open(folder.path().join("meta.db")).expect("a store can be made");
    let store = Arc::new(store);
    let accounts = Accounts::open(store.clone(), folder.path(), AccountSettings::default())
        .expect("a new folder");
    let accounts = Arc::new(accounts);
    let settings = BucketSettings {
        patience: Duration::from_millis(50),
        ..BucketSettings::default()
    };
    let buckets = Buckets::start(
        store,
        accounts.clone(),
        Arc::new(FakeVolumes::default()),
        settings,
    );
    let namespace = NamespaceName::new("ours").expect("a good name");
    let new = NewUser {
        email: Email::new("ours@example.org").expect("a good address"),
        password: Password::new("correct horse").expect("a good password"),
        namespace: Some(namespace.clone()),
    };
    accounts
        .add_user(new, false)
        .await
        .expect("nobody signed up before");
    let bucket = BucketName::new("bucket").expect("a good name");
    let created = buckets
        .create(&namespace, &bucket, None, Settings::default())
        .await;
    created.expect("nobody has it");
    let key = accounts.create_namespace_key(&namespace).await;
    let api = Router::new().fallback(|| async { "the REST API" });
    let region = Region::new("us-east-1".into()).expect("a good region");
    let front = Front::new(accounts, buckets, "example.org", region, api, 7);
    (front, key.expect("the namespace exists"))
}
