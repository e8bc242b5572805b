//! Links over TLS, and who gets none.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use volumed_peer::{Hello, NodeId, Security};

use crate::authority::{Authority, REMOVED};
use crate::heads::Event;
use crate::replicas::Mode;
use crate::rig::{
    CLUSTER, Calling, HEADS, Hosting, REPLICAS, SETTINGS, answer, call, host, identity, read, soon,
    write,
};

async fn nodes(heads: Security, replicas: Security) -> (Calling, Hosting) {
    let hosting = host(replicas, SETTINGS, Mode::Inline).await;
    let calling = call(heads, SETTINGS);
    calling.peers.know(REPLICAS, vec![hosting.address]);
    (calling, hosting)
}

/// Neither side had a link.
fn check_refused(calling: &Calling, hosting: &Hosting) {
    assert_eq!(calling.heads.events(), []);
    assert!(hosting.replicas.ended().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_cluster_speak() {
    let authority = Authority::new();
    let (heads, replicas) = (authority.security(HEADS), authority.security(REPLICAS));
    let (calling, hosting) = nodes(heads, replicas).await;
    calling.heads.until_reached(1).await;
    let asked = [write(1, 1, 1 << 20), read(1, 2, 1 << 20), write(1, 3, 10)];
    for message in asked.clone() {
        assert!(calling.send(message));
    }
    calling.heads.until_answered(3).await;
    let answers = asked.each_ref().map(answer);
    assert_eq!(calling.heads.answers(), answers);
    let messages = hosting.replicas.messages();
    let messages: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, asked);
}

#[tokio::test]
async fn a_node_of_another_authority_gets_no_link() {
    let (own, other) = (Authority::new(), Authority::new());
    let (heads, replicas) = (own.showing(HEADS, &other), own.security(REPLICAS));
    let (calling, hosting) = nodes(heads, replicas).await;
    calling.until_down("no ").await;
    check_refused(&calling, &hosting);
    let (heads, replicas) = (own.security(HEADS), own.showing(REPLICAS, &other));
    let (calling, hosting) = nodes(heads, replicas).await;
    calling.until_down("no TLS with").await;
    check_refused(&calling, &hosting);
}

#[tokio::test]
async fn a_node_that_was_removed_gets_no_link() {
    let authority = Authority::new();
    let (heads, replicas) = (authority.security(REMOVED), authority.security(REPLICAS));
    let (calling, hosting) = nodes(heads, replicas).await;
    calling
        .until_down("it ended the connection before it said who it is")
        .await;
    check_refused(&calling, &hosting);
}

#[tokio::test]
async fn a_node_that_says_it_is_another_one_gets_no_link() {
    let authority = Authority::new();
    let liar = authority.security(NodeId(0xcc));
    let (calling, hosting) = nodes(liar, authority.security(REPLICAS)).await;
    calling
        .until_down("it ended the connection before it said who it is")
        .await;
    check_refused(&calling, &hosting);
}

#[tokio::test]
async fn who_speaks_no_tls_gets_no_link() {
    let authority = Authority::new();
    let (calling, hosting) = nodes(Security::Loopback, authority.security(REPLICAS)).await;
    calling.until_down("no link with").await;
    check_refused(&calling, &hosting);
    let mut plain = TcpStream::connect(hosting.address).await.unwrap();
    plain
        .write_all(&Hello::of(identity(HEADS)).encode())
        .await
        .unwrap();
    let mut said = Vec::new();
    let _ = soon(plain.read_to_end(&mut said)).await;
    let cluster = CLUSTER.0.to_le_bytes();
    assert!(
        !said.windows(cluster.len()).any(|it| it == cluster),
        "{said:?}"
    );
    let (calling, hosting) = nodes(authority.security(HEADS), Security::Loopback).await;
    calling.until_down("no TLS with").await;
    check_refused(&calling, &hosting);
    assert!(!calling.heads.events().contains(&Event::Reached));
}
