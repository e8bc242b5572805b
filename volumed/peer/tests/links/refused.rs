//! Whom there is no link with, and the sentence that says why.

use std::collections::BTreeSet;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use volumed_core::wire::{Frame, Kind};
use volumed_peer::{ClusterId, Hello, NodeId, Security, SendError};

use crate::replicas::Mode;
use crate::rig::{Calling, HEADS, REPLICAS, SETTINGS, call, host, identity, loopback, soon, write};

/// A node that calls another one, which says this.
async fn calling(said: Vec<u8>) -> (Calling, TcpListener) {
    let socket = loopback().await;
    let calling = call(Security::Loopback, SETTINGS);
    let address = socket.local_addr().unwrap();
    calling.peers.know(REPLICAS, vec![address]);
    let (mut called, _) = soon(socket.accept()).await.unwrap();
    called.write_all(&said).await.unwrap();
    // It stays until the caller leaves it, or the test ends.
    tokio::spawn(async move { called.read_to_end(&mut Vec::new()).await });
    (calling, socket)
}

/// What a listener says to who says this, until it ends the connection.
async fn called(said: &[u8]) -> Vec<u8> {
    let hosting = host(Security::Loopback, SETTINGS, Mode::Inline).await;
    let mut stream = TcpStream::connect(hosting.address).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    // Reset, if something was left unread.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert!(hosting.replicas.ended().is_empty());
    answer
}

fn newer(node: NodeId) -> Hello {
    Hello {
        versions: 2..=3,
        ..Hello::of(identity(node))
    }
}

fn of_another_cluster(node: NodeId) -> Hello {
    Hello {
        cluster: ClusterId(0xc2),
        ..Hello::of(identity(node))
    }
}

#[tokio::test]
async fn a_newer_protocol_is_refused_with_a_sentence() {
    let (calling, _socket) = calling(newer(REPLICAS).encode()).await;
    calling
        .until_down("it speaks versions 2 to 3 of the protocol between nodes, and this program 1 to 1: use a newer program here")
        .await;
    assert_eq!(calling.heads.events(), []);
}

#[tokio::test]
async fn who_calls_in_a_newer_protocol_is_told_which_one_is_spoken_here() {
    let answer = called(&newer(HEADS).encode()).await;
    let own = Hello::decode(&mut BytesMut::from(&answer[..])).unwrap();
    assert_eq!(own, Some(Hello::of(identity(REPLICAS))));
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_at_both_ends() {
    let (calling, _socket) = calling(of_another_cluster(REPLICAS).encode()).await;
    calling.until_down("it belongs to cluster").await;
    let answer = called(&of_another_cluster(HEADS).encode()).await;
    assert_eq!(answer, Hello::of(identity(REPLICAS)).encode());
}

#[tokio::test]
async fn another_node_at_the_address_is_not_taken_for_the_one_that_was_looked_for() {
    let (calling, _socket) = calling(Hello::of(identity(NodeId(0xcc))).encode()).await;
    calling.until_down("is the address right?").await;
}

#[tokio::test]
async fn another_service_at_the_address_is_no_node() {
    let (calling, _socket) = calling(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    calling.until_down("is the port another service's?").await;
    let answer = called(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(answer, [0; 0]);
}

#[tokio::test]
async fn messages_of_a_kind_that_a_node_does_not_know_are_not_sent() {
    let old = Hello {
        kinds: BTreeSet::from([Kind::Promise as u16, Kind::Done as u16]),
        ..Hello::of(identity(REPLICAS))
    };
    let (calling, _socket) = calling(old.encode()).await;
    calling.heads.until_reached(1).await;
    let refused = calling.peers.send(REPLICAS, write(1, 1, 1)).unwrap_err();
    assert_eq!(refused, SendError::UnknownKind(Kind::Write as u16));
    assert!(refused.to_string().contains("has to be upgraded"));
    let promise = crate::rig::message(1, 2, volumed_core::message::Ask::Promise);
    assert_eq!(calling.peers.send(REPLICAS, promise), Ok(()));
}

#[tokio::test]
async fn an_answer_where_messages_come_ends_the_link() {
    let answer = Frame::Answer(crate::rig::answer(&write(1, 1, 1))).encode();
    let hosting = host(Security::Loopback, SETTINGS, Mode::Inline).await;
    let mut stream = TcpStream::connect(hosting.address).await.unwrap();
    let hello = Hello::of(identity(HEADS)).encode();
    let said = [hello, answer.head, answer.data.to_vec()].concat();
    stream.write_all(&said).await.unwrap();
    hosting.replicas.until_ended(1).await;
    let message = Frame::Message(write(1, 1, 1)).encode();
    let hello = Hello::of(identity(REPLICAS)).encode();
    let said = [hello, message.head, message.data.to_vec()].concat();
    let (calling, _socket) = calling(said).await;
    calling.until_down("for the other end of a link").await;
}

#[tokio::test]
async fn without_certificates_no_other_machine_is_called() {
    let calling = call(Security::Loopback, SETTINGS);
    calling
        .peers
        .know(REPLICAS, vec![([192, 0, 2, 1], 1).into()]);
    calling
        .until_down("without certificates links stay on this one")
        .await;
}

#[tokio::test]
async fn a_node_is_found_at_its_new_address() {
    let closed = loopback().await.local_addr().unwrap();
    let hosting = host(Security::Loopback, SETTINGS, Mode::Inline).await;
    let calling = call(Security::Loopback, SETTINGS);
    calling.peers.know(REPLICAS, vec![closed]);
    calling.until_down("cannot connect to").await;
    calling.peers.know(REPLICAS, vec![closed, hosting.address]);
    calling.heads.until_reached(1).await;
    assert!(calling.peers.is_up(REPLICAS));
}
