//! A node that calls again.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use volumed_core::message::Ask;
use volumed_core::wire::Frame;
use volumed_peer::{Hello, Security};

use crate::replicas::Mode;
use crate::rig::{HEADS, Hosting, REPLICAS, SETTINGS, host, identity, message, soon};

async fn link(hosting: &Hosting) -> TcpStream {
    let mut stream = TcpStream::connect(hosting.address).await.unwrap();
    let hello = Hello::of(identity(HEADS)).encode();
    stream.write_all(&hello).await.unwrap();
    let mut own = vec![0; Hello::of(identity(REPLICAS)).encode().len()];
    soon(stream.read_exact(&mut own)).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_newer_link_ends_the_one_before_it() {
    let hosting = host(Security::Loopback, SETTINGS, Mode::Held).await;
    let mut first = link(&hosting).await;
    let frame = |op| Frame::Message(message(1, op, Ask::Promise)).encode().head;
    first.write_all(&frame(1)).await.unwrap();
    hosting.replicas.until_asked(1).await;
    let mut second = link(&hosting).await;
    // By now the first one ended: what comes over it late is never handed over.
    let ended = hosting.replicas.ended();
    assert_eq!(ended.len(), 1);
    let _ = first.write_all(&frame(2)).await;
    second.write_all(&frame(3)).await.unwrap();
    hosting.replicas.until_asked(2).await;
    let messages = hosting.replicas.messages();
    let ops: Vec<_> = messages.iter().map(|(_, message)| message.op.0).collect();
    assert_eq!(ops, [1, 3]);
    assert_eq!(messages[0].0, ended[0]);
    assert!(messages[0].0.number < messages[1].0.number);
    let mut rest = Vec::new();
    // Reset, if what came late was not read.
    let _ = soon(first.read_to_end(&mut rest)).await;
    assert_eq!(rest, []);
}

#[tokio::test]
async fn a_node_that_may_have_no_link_any_more_loses_it() {
    let hosting = host(Security::Loopback, SETTINGS, Mode::Held).await;
    let mut removed = link(&hosting).await;
    hosting.listener.refuse(HEADS);
    let mut rest = Vec::new();
    soon(removed.read_to_end(&mut rest)).await.unwrap();
    hosting.replicas.until_ended(1).await;
}
