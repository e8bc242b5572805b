//! What a link holds, whatever the other side does.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use volumed_core::wire::Frame;
use volumed_peer::{Hello, Limits, Security, SendError, Settings};

use crate::heads::Event;
use crate::replicas::Mode;
use crate::rig::{HEADS, REPLICAS, SETTINGS, answer, host, identity, linked, read, soon, write};

const SMALL: Settings = Settings {
    limits: Limits {
        room: 8 << 20,
        most: 16 << 20,
        hosted: 2 << 20,
        connections_per_address: 4,
    },
    ..SETTINGS
};

const LENGTH: usize = 1 << 18;

#[tokio::test]
async fn a_slow_replica_is_sent_no_more_than_a_link_may_hold() {
    let (calling, hosting) = linked(SMALL, Mode::Held).await;
    let (mut sent, mut room) = (0, 0);
    while let Ok(()) = calling.peers.send(REPLICAS, write(1, sent, LENGTH)) {
        calling.peers.flush(REPLICAS);
        sent += 1;
        room += u64::from(calling.peers.has_room(REPLICAS));
        // What is unread lies in the sender's queue, not in the replica's node.
        tokio::task::yield_now().await;
    }
    let full = calling.peers.send(REPLICAS, write(1, sent, LENGTH));
    assert_eq!(full, Err(SendError::Full));
    let fit = |bytes: u64| bytes / LENGTH as u64;
    assert!(
        (fit(SMALL.limits.most)..=fit(SMALL.limits.most) + 1).contains(&sent),
        "{sent}"
    );
    assert!(
        (fit(SMALL.limits.room) - 1..=fit(SMALL.limits.room)).contains(&room),
        "{room}"
    );
    let hosted = fit(SMALL.limits.hosted) as usize;
    hosting.replicas.until_asked(hosted).await;
    assert_eq!(
        hosting.replicas.take_held().into_iter().map(keep).count(),
        hosted
    );
    let status = &calling.peers.status()[0];
    assert!(
        status.up && status.under_way >= SMALL.limits.most,
        "{status:?}"
    );
}

/// Held for ever: the answer never comes, and no other in its place.
fn keep<T>(reply: T) {
    std::mem::forget(reply);
}

#[tokio::test]
async fn who_waits_for_room_is_told_when_there_is_some() {
    let (calling, hosting) = linked(SMALL, Mode::Held).await;
    let mut sent = 0;
    while calling.peers.has_room(REPLICAS) {
        assert!(calling.send(write(1, sent, LENGTH)));
        sent += 1;
    }
    let answering = async {
        loop {
            for (message, reply) in hosting.replicas.take_held() {
                reply.answer(answer(&message));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let told = async {
        let room = |events: &[Event]| events.contains(&Event::Room);
        calling.heads.until(room).await;
        assert!(calling.peers.has_room(REPLICAS));
        calling.heads.until_answered(sent as usize).await;
    };
    tokio::select! {
        () = answering => {}
        () = told => {}
    }
    assert_eq!(calling.heads.count(|event| *event == Event::Room), 1);
}

#[tokio::test]
async fn nothing_more_is_read_from_who_takes_no_answers() {
    let hosting = host(Security::Loopback, SMALL, Mode::Inline).await;
    let mut greedy = TcpStream::connect(hosting.address).await.unwrap();
    greedy
        .write_all(&Hello::of(identity(HEADS)).encode())
        .await
        .unwrap();
    let mut hello = vec![0; Hello::of(identity(REPLICAS)).encode().len()];
    greedy.read_exact(&mut hello).await.unwrap();
    // 100 MB of answers that nobody takes.
    let asks: Vec<u8> = (0..400)
        .flat_map(|op| Frame::Message(read(1, op, LENGTH as u32)).encode().head)
        .collect();
    greedy.write_all(&asks).await.unwrap();
    let most = (SMALL.limits.hosted / LENGTH as u64) as usize + in_sockets(&greedy).await;
    let read = hosting.replicas.messages().len();
    assert!(read <= most, "{read} messages were read, and {most} may be");
    // It goes on as answers are taken.
    let mut all = vec![0; 1 << 20];
    let taking = async { while greedy.read(&mut all).await.unwrap() > 0 {} };
    tokio::select! {
        () = taking => panic!("the link ended"),
        () = hosting.replicas.until_asked(400) => {}
    }
}

/// How many answers may have left for the sockets, which hold what they like: those that arrived without
/// having been taken, as many on their way, and the one that is partly sent.
async fn in_sockets(greedy: &TcpStream) -> usize {
    let mut arrived = vec![0; 64 << 20];
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = match greedy.peek(&mut arrived).await {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        };
        if now == before {
            return 2 * (now / LENGTH + 1) + 16;
        }
        before = now;
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let hosting = host(Security::Loopback, SMALL, Mode::Inline).await;
    let mut held = Vec::new();
    for _ in 0..SMALL.limits.connections_per_address {
        held.push(TcpStream::connect(hosting.address).await.unwrap());
    }
    let mut refused = TcpStream::connect(hosting.address).await.unwrap();
    let mut said = Vec::new();
    let ended = soon(refused.read_to_end(&mut said)).await;
    assert!(ended.is_err() || said.is_empty());
    drop(held);
    // Until their ends have been noticed.
    let taken = async {
        loop {
            let mut next = TcpStream::connect(hosting.address).await.unwrap();
            let hello = Hello::of(identity(HEADS)).encode();
            let mut own = vec![0; hello.len()];
            let said = next.write_all(&hello).await;
            if said.is_ok() && next.read_exact(&mut own).await.is_ok() {
                return;
            }
        }
    };
    soon(taken).await;
}
