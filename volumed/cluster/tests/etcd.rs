//! Real etcd under the certificates of the cluster: grown, killed, shrunk, and asked by strangers.
#![allow(clippy::unwrap_used)]

mod rack;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use volumed_cluster::{
    AdmitError, CERTIFICATE_LIFE, Candidate, Cluster, Issued, JoinToken, NodeId, Registry as _,
    RemovalError, Serial, Signer, TOKEN_LIFE, invite, now, peer, remove_node, renew,
};

use rack::{PATIENCE, Rack, etcd_options, name, place, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_keep_the_store_and_survive_the_loss_of_one() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    put(&rack, 0, "of-one").await;
    for count in 2..=3 {
        rack.join().await;
        rack.until_voters(count).await;
    }
    // A fourth stays a client.
    rack.join().await;
    rack.round().await;
    rack.until_voters(3).await;
    assert!(rack.nodes[3].keeper.member().is_none());
    assert!(rack.nodes[3].cluster.authority().is_none());
    assert!(
        rack.nodes[..3]
            .iter()
            .all(|node| node.cluster.authority().is_some())
    );
    assert_eq!(get(&rack, 2, "of-one").await, Some("of-one".to_owned()));

    let killed = rack.nodes[0].process().unwrap();
    kill(Pid::from_raw(killed.cast_signed()), Signal::SIGKILL).unwrap();
    soon("the others go on", async || {
        try_put(&rack, 1, "of-two").await.is_ok()
    })
    .await;
    soon("the one that was killed runs again", async || {
        rack.nodes[0]
            .process()
            .is_some_and(|process| process != killed)
    })
    .await;
    let again = rack.nodes[0].process().unwrap();
    assert!(
        compares_itself(again),
        "the others are there to compare with"
    );
    rack.until_voters(3).await;
    assert_eq!(get(&rack, 0, "of-two").await, Some("of-two".to_owned()));
    rack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_removed_leaves_etcd_and_is_refused_by_it() {
    let mut rack = Rack::found().await;
    rack.join().await;
    rack.until_voters(2).await;
    put(&rack, 1, "before").await;
    // What the node has open to another's etcd.
    let mut open = client_of(&rack, 1, 0).await;
    open.put("open", "", None).await.unwrap();
    let process = rack.nodes[0].process();
    let leaving = rack.nodes[1].cluster.own().clone();
    let members = rack.nodes[0].keeper.members().clone();
    let removed = Box::pin(remove_node(&members, &*rack.registry, leaving.node)).await;
    assert_eq!(removed.unwrap().name, leaving.name);
    // Made while it could still reach the store.
    let planted = invite(&rack.nodes[1].cluster, &*rack.registry, TOKEN_LIFE);
    let planted = planted.await.unwrap();
    let again = Box::pin(remove_node(&members, &*rack.registry, leaving.node)).await;
    assert!(matches!(again, Err(RemovalError::Remove(_))), "{again:?}");

    rack.until_voters(1).await;
    let begun = Instant::now();
    while knows(&rack, &planted).await {
        assert!(begun.elapsed() < PATIENCE, "the token is known");
        rack.round().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_ne!(rack.nodes[0].process(), process);
    soon("etcd answers again", async || {
        try_put(&rack, 0, "after").await.is_ok()
    })
    .await;
    assert!(open.put("open", "", None).await.is_err());
    // The certificate is valid for months; etcd has the list of those that do not count.
    let at = rack.nodes[0].cluster.own().place.etcd_client();
    let asked = get_over_tls(
        at,
        rack.nodes[1].data.path(),
        Some(rack.nodes[1].data.path()),
    )
    .await;
    assert!(asked.is_err(), "{asked:?}");
    let own = get_over_tls(
        at,
        rack.nodes[0].data.path(),
        Some(rack.nodes[0].data.path()),
    )
    .await;
    assert!(own.unwrap().contains("etcdserver"));
    let alone = Box::pin(remove_node(
        &members,
        &*rack.registry,
        rack.nodes[0].cluster.own().node,
    ));
    assert!(matches!(alone.await, Err(RemovalError::Remove(_))));
    assert_eq!(rack.registry.removed().await.unwrap().len(), 1);
    rack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_gone_is_replaced_and_all_go_on_after_a_restart() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    for count in 2..=3 {
        rack.join().await;
        rack.until_voters(count).await;
    }
    put(&rack, 0, "before").await;
    rack.join().await;
    rack.lose(2).await;
    rack.until_voters(3).await;
    assert!(
        rack.nodes[2].keeper.member().is_some(),
        "the fourth takes its place"
    );

    rack.come_back();
    let begun = Instant::now();
    while rack.nodes[3].keeper.member().is_some() {
        assert!(
            begun.elapsed() < PATIENCE,
            "the one that was replaced keeps its data"
        );
        rack.round().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let state = rack.nodes[3].data.path();
    assert!(!state.join("etcd").exists());
    rack.until_voters(3).await;

    for _ in 0..4 {
        rack.lose(0).await;
    }
    rack.come_back();
    soon("one of them runs", async || {
        rack.nodes[0].process().is_some()
    })
    .await;
    let first = rack.nodes[0].process().unwrap();
    assert!(!compares_itself(first), "it would wait for the others");
    rack.until_voters(3).await;
    assert_eq!(get(&rack, 0, "before").await, Some("before".to_owned()));
    rack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_nothing_from_either_port_of_etcd() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    let own = &rack.nodes[0];
    let place_of_etcd = &own.cluster.own().place;
    let foreign = tempfile::tempdir().unwrap();
    Cluster::found(foreign.path(), name(9), place(9)).unwrap();
    for at in [place_of_etcd.etcd_client(), place_of_etcd.etcd_peer()] {
        let known = get_over_tls(at, own.data.path(), Some(own.data.path())).await;
        assert!(known.unwrap().contains("etcdserver"), "{at}");
        let without = get_over_tls(at, own.data.path(), None).await;
        assert!(without.is_err(), "{at}: {without:?}");
        let with_anothers = get_over_tls(at, own.data.path(), Some(foreign.path())).await;
        assert!(with_anothers.is_err(), "{at}: {with_anothers:?}");
        let plain = say(TcpStream::connect(at).await.unwrap()).await;
        assert!(!plain.unwrap_or_default().contains("etcdserver"), "{at}");
    }
    rack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_not_run_twice_on_the_same_data() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    let Rack { mut nodes, .. } = rack;
    let first = nodes.remove(0);
    let process = first.process().unwrap();
    // As if a daemon had started beside one that does not end.
    let mut second =
        volumed_cluster::Keeper::new(first.cluster.clone(), first.data.path(), None).unwrap();
    soon("the one that was left is gone", async || {
        !Path::new(&format!("/proc/{process}")).exists()
    })
    .await;
    first.keeper.stop().await;
    soon("one runs", async || {
        second
            .member()
            .is_some_and(|member| member.process().is_some())
    })
    .await;
    let data = second.member().unwrap().data().to_owned();
    soon("and no more than one", async || {
        processes_with(&data).len() == 1
    })
    .await;
    second.begin().unwrap();
    second.stop().await;
    assert_eq!(processes_with(&data), [0; 0]);
}

/// Whether a member compares its data with that of the others before it serves.
fn compares_itself(process: u32) -> bool {
    let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
    line.contains("initial-corrupt-check=true")
}

fn processes_with(data: &Path) -> Vec<u32> {
    let wanted = format!("--data-dir={}", data.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let with = numbers.filter(|process: &u32| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == wanted.as_bytes())
    });
    with.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_shows_a_renewed_certificate_without_a_restart() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    let own = &rack.nodes[0];
    let (process, place) = (own.process(), own.cluster.own().place.clone());
    let serial = || std::fs::read(own.data.path().join("cluster/node.crt")).unwrap();
    let before = serial();
    let signer = Signer::new(own.cluster.clone(), rack.registry.clone(), CERTIFICATE_LIFE);
    renew(&own.cluster, &signer).await.unwrap();
    assert_ne!(before, serial());
    for at in [place.etcd_client(), place.etcd_peer()] {
        let stream = connect(at, own.data.path(), Some(own.data.path()))
            .await
            .unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let file = CertificateDer::from_pem_slice(&serial()).unwrap();
        assert_eq!(shown, file, "{at}");
    }
    put(&rack, 0, "with-the-new-one").await;
    assert_eq!(rack.nodes[0].process(), process);
    rack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_reached_by_the_tls_between_nodes() {
    let mut rack = Rack::found().await;
    rack.until_voters(1).await;
    let cluster = &rack.nodes[0].cluster;
    let (own, at) = (cluster.own().node, cluster.own().place.etcd_client());
    for (node, is_it) in [(own, true), (NodeId(1), false)] {
        let config = cluster.tls().client(node, b"h2").unwrap();
        let name = ServerName::IpAddress(at.ip().into());
        let socket = TcpStream::connect(at).await.unwrap();
        let connected = TlsConnector::from(config).connect(name, socket).await;
        assert_eq!(connected.is_ok(), is_it);
        if let Ok(stream) = connected {
            let connection = stream.get_ref().1;
            assert_eq!(peer(connection), Some(own));
            assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
        }
    }
    rack.stop().await;
}

#[tokio::test]
async fn a_missing_etcd_is_named_with_the_package_that_has_it() {
    let data = tempfile::tempdir().unwrap();
    let (cluster, _) = Cluster::found(data.path(), name(1), place(1)).unwrap();
    let nowhere = Some("/nowhere/etcd".into());
    let mut keeper = volumed_cluster::Keeper::new(Arc::new(cluster), data.path(), nowhere).unwrap();
    let missing = keeper.begin().unwrap_err().to_string();
    assert!(
        missing.contains("/nowhere/etcd") && missing.contains("etcd-server"),
        "{missing}"
    );
}

/// `GET /version` with the certificates of the daemon that has its state in `own`, if any.
async fn get_over_tls(at: SocketAddr, trusting: &Path, own: Option<&Path>) -> io::Result<String> {
    say(connect(at, trusting, own).await?).await
}

async fn connect(
    at: SocketAddr,
    trusting: &Path,
    own: Option<&Path>,
) -> io::Result<TlsStream<TcpStream>> {
    let file = |data: &Path, name: &str| data.join("cluster").join(name);
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(file(trusting, "ca.crt")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let certificate = CertificateDer::from_pem_file(file(own, "node.crt")).unwrap();
            let key = PrivateKeyDer::from_pem_file(file(own, "node.key")).unwrap();
            config
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    };
    let name = ServerName::IpAddress(at.ip().into());
    let socket = TcpStream::connect(at).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

async fn say(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) -> io::Result<String> {
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await??;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether the token would let somebody in. (Nobody, since the name is taken.)
async fn knows(rack: &Rack, token: &JoinToken) -> bool {
    let nobody = Candidate {
        id: NodeId(0),
        name: name(1),
        place: place(8),
        certificate: Issued {
            serial: Serial::draw(),
            expires: 0,
        },
    };
    let admitted = rack.registry.admit(token.key(), &nobody, now());
    match admitted.await.unwrap_err() {
        AdmitError::UnknownToken => false,
        AdmitError::NameTaken(_) => true,
        other => panic!("{other}"),
    }
}

/// A client of the node's own etcd.
async fn client(rack: &Rack, index: usize) -> etcd_client::Client {
    client_of(rack, index, index).await
}

/// A client with the certificate of one node, of the etcd of another.
async fn client_of(rack: &Rack, index: usize, of: usize) -> etcd_client::Client {
    let node = &rack.nodes[index];
    let at = rack.nodes[of].cluster.own().place.etcd_client();
    let options = etcd_options(node.data.path(), at);
    let client = etcd_client::Client::connect([format!("https://{at}")], Some(options));
    Box::pin(client).await.unwrap()
}

async fn try_put(rack: &Rack, index: usize, key: &str) -> Result<(), etcd_client::Error> {
    let mut client = client(rack, index).await;
    let put = client.put(key, key, None).await;
    put.map(drop)
}

async fn put(rack: &Rack, index: usize, key: &str) {
    try_put(rack, index, key).await.unwrap();
}

async fn get(rack: &Rack, index: usize, key: &str) -> Option<String> {
    let mut client = client(rack, index).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), client.get(key, None));
    let answer = waited.await.unwrap().unwrap();
    let value = answer.kvs().first()?;
    Some(value.value_str().unwrap().to_owned())
}
