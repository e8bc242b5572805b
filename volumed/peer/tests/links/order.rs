//! Messages arrive in order, and answers where they belong.

use std::collections::BTreeMap;
use std::sync::Arc;

use volumed_peer::{SendError, Sent};

use crate::heads::Event;
use crate::replicas::Mode;
use crate::rig::{REPLICAS, SETTINGS, answer, call, linked, message, read, write};

const VOLUMES: u64 = 4;
const EACH: u64 = 1500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_volumes_messages_arrive_in_order_and_each_answer_is_its_own() {
    let (calling, hosting) = linked(SETTINGS, Mode::Scattered).await;
    let threads: Vec<_> = (0..VOLUMES)
        .map(|volume| {
            let peers = Arc::clone(&calling.peers);
            std::thread::spawn(move || {
                for op in 0..EACH {
                    let length = [1, 4096, 70_000][op as usize % 3];
                    let message = if op % 5 == 0 {
                        read(volume, op, length as u32)
                    } else {
                        write(volume, op, length)
                    };
                    // A head that begins nothing while there is no room.
                    while !peers.has_room(REPLICAS) {
                        std::thread::yield_now();
                    }
                    peers.send(REPLICAS, message).unwrap();
                    peers.flush(REPLICAS);
                }
            })
        })
        .collect();
    let all = (VOLUMES * EACH) as usize;
    calling.heads.until_answered(all).await;
    for thread in threads {
        thread.join().unwrap();
    }
    let messages = hosting.replicas.messages();
    assert_eq!(messages.len(), all);
    let mut next = BTreeMap::new();
    for (_, message) in &messages {
        let next = next.entry(message.volume).or_insert(0);
        assert_eq!(message.op.0, *next);
        *next += 1;
    }
    let expected: BTreeMap<_, _> = messages
        .iter()
        .map(|(_, message)| (Sent::answered_by(&answer(message)), answer(message)))
        .collect();
    let answers = calling.heads.answers();
    assert_eq!(answers.len(), all);
    for answer in answers {
        assert_eq!(expected[&Sent::answered_by(&answer)], answer);
    }
    assert!(calling.heads.lost().is_empty());
}

#[tokio::test]
async fn a_message_to_a_node_that_is_not_reachable_is_refused_at_once() {
    let calling = call(volumed_peer::Security::Loopback, SETTINGS);
    let send = || calling.peers.send(REPLICAS, write(1, 1, 1));
    assert_eq!(send(), Err(SendError::Unreachable));
    calling.peers.know(REPLICAS, Vec::new());
    assert_eq!(send(), Err(SendError::Unreachable));
    calling.until_down("no address").await;
    assert_eq!(calling.heads.events(), []);
}

#[tokio::test]
async fn a_message_that_nobody_answers_is_answered_as_one_to_an_absent_disk() {
    let (calling, hosting) = linked(SETTINGS, Mode::Held).await;
    assert!(calling.send(write(1, 2, 3)));
    hosting.replicas.until_asked(1).await;
    drop(hosting.replicas.take_held());
    calling.heads.until_answered(1).await;
    let sent = Sent::answered_by(&answer(&write(1, 2, 3)));
    let absent =
        volumed_core::message::Answer::of_absent(sent.volume, sent.disk, sent.epoch, sent.op);
    assert_eq!(
        calling.heads.events(),
        [Event::Reached, Event::Answer(absent)]
    );
}

#[tokio::test]
async fn what_is_sent_leaves_with_the_next_flush() {
    let (calling, hosting) = linked(SETTINGS, Mode::Inline).await;
    let asks = (0..500).map(|op| message(1, op, volumed_core::message::Ask::Promise));
    for message in asks {
        calling.peers.send(REPLICAS, message).unwrap();
    }
    calling.peers.flush(REPLICAS);
    calling.heads.until_answered(500).await;
    assert_eq!(hosting.replicas.messages().len(), 500);
}
