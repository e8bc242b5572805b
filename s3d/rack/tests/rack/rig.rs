//! Nodes to ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{self, Next};
use http::{Request, Response};
use s3d_accounts::{AccountSettings, Accounts, Key, NewUser, Password};
use s3d_api::{ApiState, Archives, Endpoint, MailLinks, SigningKeys, Slots};
use s3d_audit::AuditLog;
use s3d_buckets::fake_volumes::{FakeNode, FakeVolumes};
use s3d_buckets::{BucketRecord, BucketSettings, Buckets, Settings};
use s3d_front::Front;
use s3d_names::{BucketName, Email, NamespaceName};
use s3d_rack::{Gate, HopServer, Nodes, Parts, Rack, Service, Services};
use s3s::region::Region;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use volumed_client::admin::AdminClient;
use volumed_cluster::{
    CERTIFICATE_LIFE, Cluster, Place, Ports, Registry as _, Signer, StoreRegistry, TOKEN_LIFE,
    invite, join,
};
use volumed_meta::{MetaStore, SqliteStore};

use crate::ask::{Ask, send};

/// What the hosts end in.
pub const DOMAIN: &str = "example.org";

/// One s3d, with its volume daemon.
pub struct Node {
    pub cluster: Arc<Cluster>,
    pub volumes: Arc<FakeNode>,
    pub accounts: Arc<Accounts>,
    pub buckets: Arc<Buckets>,
    pub nodes: Arc<Nodes>,
    pub rack: Rack,
    /// Where S3 is served.
    pub s3: SocketAddr,
    /// Where the REST API is served.
    pub api: SocketAddr,
    /// Ends what serves the other nodes.
    hop: AbortHandle,
    /// Ends what shows it to them.
    announced: AbortHandle,
    /// It answers nobody any more, and counts who asks.
    pub frozen: Arc<Frozen>,
    runtime: Option<Runtime>,
}

impl Node {
    /// The other nodes reach it no more; it lives.
    pub fn cut_off(&self) {
        self.hop.abort();
    }
}

/// Whether a node answers nobody any more.
#[derive(Default)]
pub struct Frozen {
    pub is: AtomicBool,
    pub waiting: AtomicUsize,
}

async fn answer_unless_frozen(
    State(frozen): State<Arc<Frozen>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    if frozen.is.load(SeqCst) {
        frozen.waiting.fetch_add(1, SeqCst);
        std::future::pending::<()>().await;
    }
    next.run(request).await
}

impl Node {
    /// Its power is cut: it says nothing any more, and closes no connection.
    pub fn cut_power(&self) {
        self.announced.abort();
        self.volumes.die();
    }
}

impl Drop for Node {
    /// Killed: what it had under way breaks.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Some of them.
pub struct Rig {
    pub nodes: Vec<Node>,
    pub volumes: Arc<FakeVolumes>,
    pub home: NamespaceName,
    /// Of the namespace.
    pub key: Key,
    _folder: TempDir,
}

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

fn place(cluster: u16) -> Place {
    let ports = Ports {
        cluster,
        ..Ports::default()
    };
    Place::new(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ports).unwrap()
}

/// Clusters of this many nodes.
async fn clusters(folder: &Path, count: u16) -> Vec<Arc<Cluster>> {
    let signs = listener().await;
    let name = |number: u16| format!("node-{number}").parse().unwrap();
    let place_of_first = place(signs.local_addr().unwrap().port());
    let (first, node) = Cluster::found(&folder.join("1"), name(1), place_of_first).unwrap();
    let registry = Arc::new(StoreRegistry::new(store(folder)));
    registry.found(&node).await.unwrap();
    let first = Arc::new(first);
    let signer = Signer::new(first.clone(), registry.clone(), CERTIFICATE_LIFE);
    tokio::spawn(signer.serve(signs));
    let mut clusters = vec![first];
    for number in 2..=count {
        let token = invite(&clusters[0], &*registry, TOKEN_LIFE).await.unwrap();
        let data = folder.join(number.to_string());
        let joined = join(&data, &token, name(number), place(number))
            .await
            .unwrap();
        clusters.push(Arc::new(joined));
    }
    clusters
}

fn store(folder: &Path) -> Arc<dyn MetaStore> {
    Arc::new(SqliteStore::open(folder.join("meta.db")).unwrap())
}

impl Rig {
    /// So many nodes that know each other.
    pub async fn new(count: u16) -> Self {
        Self::with_patience(count, [Duration::from_secs(8); 2]).await
    }

    /// Whose requests wait so long for a bucket, and for a node that lives and cannot be reached.
    pub async fn with_patience(count: u16, patience: [Duration; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let volumes = Arc::new(FakeVolumes::default());
        let mut nodes = Vec::new();
        for cluster in clusters(folder.path(), count).await {
            nodes.push(Node::start(folder.path(), cluster, &volumes, patience).await);
        }
        let home = NamespaceName::new("home").unwrap();
        let new = NewUser {
            email: Email::new("ada@example.com").unwrap(),
            password: Password::new("correct horse").unwrap(),
            namespace: Some(home.clone()),
        };
        nodes[0].accounts.add_user(new, false).await.unwrap();
        let key = nodes[0].accounts.create_namespace_key(&home).await;
        let rig = Self {
            nodes,
            volumes,
            home,
            key: key.unwrap(),
            _folder: folder,
        };
        rig.until_known(count.into()).await;
        rig
    }

    /// Until each node knows so many.
    pub async fn until_known(&self, count: usize) {
        let knows = |node: &Node| node.nodes.all().len() + 1 == count;
        while !self.nodes.iter().all(knows) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Until another node knows that a node takes buckets.
    pub async fn until_takes(&self, node: usize, other: usize) {
        let number = self.nodes[node].cluster.own().number;
        let nodes = &self.nodes[other].nodes;
        while nodes.get(number).unwrap().draining {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A bucket that is open on a node.
    pub async fn bucket(&self, node: usize, name: &str) -> BucketRecord {
        let name = BucketName::new(name).unwrap();
        let buckets = &self.nodes[node].buckets;
        let made = buckets.create(&self.home, &name, None, Settings::default());
        made.await.unwrap()
    }

    /// A token of the user.
    pub async fn token(&self) -> String {
        let login = Ask::new("POST", "/api/v1/auth/login")
            .header("content-type", "application/json")
            .body("{\"email\":\"ada@example.com\",\"password\":\"correct horse\"}");
        let answer = send(self.nodes[0].api, login.plain())
            .await
            .succeeds()
            .text();
        let (_, token) = answer.split_once("\"accessToken\":\"").unwrap();
        token.split('"').next().unwrap().to_owned()
    }

    /// A node is killed, with its volume daemon.
    pub fn kill(&mut self, node: usize) {
        let killed = self.nodes.remove(node);
        killed.volumes.die();
    }
}

impl Node {
    async fn start(
        folder: &Path,
        cluster: Arc<Cluster>,
        volumes: &Arc<FakeVolumes>,
        patience: [Duration; 2],
    ) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (folder, volumes) = (folder.to_owned(), volumes.of_node(cluster.own().number));
        let started = runtime
            .spawn(async move { Self::start_here(&folder, cluster, volumes, patience).await });
        let mut node = started.await.unwrap();
        node.runtime = Some(runtime);
        node
    }

    async fn start_here(
        folder: &Path,
        cluster: Arc<Cluster>,
        volumes: Arc<FakeNode>,
        patience: [Duration; 2],
    ) -> Self {
        let store = store(folder);
        let own = cluster.own().number;
        let secrets = folder.join("secrets");
        let accounts = Accounts::open(store.clone(), &secrets, AccountSettings::default());
        let accounts = Arc::new(accounts.unwrap());
        let nodes = Nodes::following(own, store.clone()).await.unwrap();
        let settings = BucketSettings {
            patience: Duration::from_millis(200),
            ..BucketSettings::default()
        };
        let buckets = Buckets::start_among(
            nodes.clone(),
            store.clone(),
            accounts.clone(),
            volumes.clone(),
            settings,
        );
        let hop = listener().await;
        let rack = Rack::new(Parts {
            cluster: cluster.clone(),
            nodes: nodes.clone(),
            buckets: buckets.clone(),
            domain: DOMAIN,
            forward: hop.local_addr().unwrap(),
            patience: patience[0],
            out_of_reach: patience[1],
        });
        let audit = folder.join(format!("audit-{own}"));
        let services = services(&accounts, &rack, &buckets, &audit);
        let frozen = Arc::<Frozen>::default();
        let layer = middleware::from_fn_with_state(frozen.clone(), answer_unless_frozen);
        let services = Services {
            s3: services.s3.layer(layer),
            ..services
        };
        let s3 = serve(Gate::new(rack.clone(), Service::S3, services.s3.clone())).await;
        let api = serve(Gate::new(rack.clone(), Service::Api, services.api.clone())).await;
        let server = HopServer::new(rack.clone(), services, Arc::new(Handle::current)).unwrap();
        let hop = tokio::spawn(async move {
            let (_stop, stopped) = watch::channel(());
            server.serve(hop, stopped).await;
        });
        let (announced, announced_in) = (rack.clone(), store.clone());
        let announced = tokio::spawn(async move { announced.announce(announced_in).await });
        let (looking, data) = (rack.clone(), folder.join(own.to_string()));
        tokio::spawn(async move { looking.look_after(&data, store).await });
        Self {
            cluster,
            volumes,
            accounts,
            buckets,
            nodes,
            rack,
            s3,
            api,
            hop: hop.abort_handle(),
            announced: announced.abort_handle(),
            frozen,
            runtime: None,
        }
    }
}

async fn serve(gate: Gate) -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback_service(gate);
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn services(
    accounts: &Arc<Accounts>,
    rack: &Rack,
    buckets: &Arc<Buckets>,
    audit: &Path,
) -> Services {
    let api = s3d_api::router(ApiState {
        accounts: accounts.clone(),
        buckets: buckets.clone(),
        endpoint: Endpoint {
            scheme: "http",
            domain: DOMAIN.into(),
            port: 80,
        },
        audit: AuditLog::open(audit).unwrap(),
        routers: Vec::new(),
        volumed: AdminClient::new("nobody.sock"),
        slots: Slots::default(),
        signing_keys: SigningKeys::default(),
        links: MailLinks::logged("http://console.example.com"),
        archives: Archives::default(),
    });
    let front = Front::new(
        accounts.clone(),
        buckets.clone(),
        DOMAIN,
        Region::new("us-east-1".into()).unwrap(),
        api.clone(),
        7,
    );
    front.reads_by(Arc::new(rack.clone()));
    Services {
        s3: Router::new().fallback_service(front),
        api,
        node: Router::new(),
    }
}
