//! Links that end, at any moment.

use std::collections::BTreeSet;

use rand::RngExt as _;
use volumed_core::message::Message;
use volumed_peer::{Security, Sent};

use crate::authority::Authority;
use crate::heads::Event;
use crate::proxy::Proxy;
use crate::replicas::{Mode, Replicas};
use crate::rig::{Calling, HEADS, REPLICAS, SETTINGS, call, host, linked, read, write};

/// What is sent before and around the cut: about 400,000 bytes each way.
fn messages() -> Vec<Message> {
    let mut random = rand::rng();
    (0..40)
        .map(|op| match random.random_range(0..4) {
            0 => write(1, op, random.random_range(1..80_000)),
            1 => read(1, op, random.random_range(1..80_000)),
            _ => write(1, op, 100),
        })
        .collect()
}

/// Has a link cut after so many bytes in one direction or the other.
async fn cut_after(left: [u64; 2], security: [Security; 2]) {
    let [heads, replicas] = security;
    let hosting = host(replicas, SETTINGS, Mode::Scattered).await;
    let proxy = Proxy::start(hosting.address, left).await;
    let calling = call(heads, SETTINGS);
    calling.link(proxy.address).await;
    let mut sent = BTreeSet::new();
    for message in messages() {
        let name = Sent::answered_by(&crate::rig::answer(&message));
        if calling.send(message) {
            sent.insert(name);
        }
        tokio::task::yield_now().await;
    }
    let told = |events: &[Event]| told(events).len() >= sent.len();
    calling.heads.until(told).await;
    let told = self::told(&calling.heads.events());
    assert_eq!(told.len(), sent.len(), "once each: {told:?}");
    assert_eq!(BTreeSet::from_iter(told), sent);
    check_order(&hosting.replicas);
    check_links(&calling);
    // The next link serves.
    while calling.peers.send(REPLICAS, write(2, 1, 10)).is_err() {
        tokio::task::yield_now().await;
    }
    calling.peers.flush(REPLICAS);
    let last = |event: &Event| matches!(event, Event::Answer(answer) if answer.volume.0 == 2);
    calling.heads.until(|events| events.iter().any(last)).await;
}

/// What the heads were told of, answered or lost.
fn told(events: &[Event]) -> Vec<Sent> {
    let told = events.iter().flat_map(|event| match event {
        Event::Answer(answer) => vec![Sent::answered_by(answer)],
        Event::Lost(lost) => lost.clone(),
        Event::Reached | Event::Room => Vec::new(),
    });
    told.collect()
}

/// Nothing arrived twice, or behind what was sent after it.
fn check_order(replicas: &Replicas) {
    let arrived = replicas.messages();
    let ascending = arrived.windows(2).all(|two| {
        let [(link, before), (next_link, after)] = two else {
            unreachable!()
        };
        before.op < after.op && link.number <= next_link.number
    });
    assert!(ascending);
}

/// Links are reached and lost in turn.
fn check_links(calling: &Calling) {
    let events = calling.heads.events();
    let turns = events.iter().filter_map(|event| match event {
        Event::Reached => Some(true),
        Event::Lost(_) => Some(false),
        _ => None,
    });
    for (number, reached) in turns.enumerate() {
        assert_eq!(reached, number % 2 == 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_link_is_cut_each_message_is_answered_or_lost_once() {
    for _ in 0..40 {
        let at = rand::rng().random_range(60..400_000);
        let way = rand::rng().random_range(0..2);
        let mut left = [u64::MAX; 2];
        left[way] = at;
        println!("cut after {left:?}");
        cut_after(left, [Security::Loopback, Security::Loopback]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_link_with_tls_is_cut_each_message_is_answered_or_lost_once() {
    let authority = Authority::new();
    for _ in 0..20 {
        let at = rand::rng().random_range(3_000..400_000);
        let way = rand::rng().random_range(0..2);
        let mut left = [u64::MAX; 2];
        left[way] = at;
        println!("cut after {left:?}");
        let security = [HEADS, REPLICAS].map(|node| authority.security(node));
        cut_after(left, security).await;
    }
}

#[tokio::test]
async fn a_link_that_its_own_side_cuts_is_lost_and_made_anew() {
    let (calling, hosting) = linked(SETTINGS, Mode::Held).await;
    assert!(calling.send(write(1, 1, 10)));
    hosting.replicas.until_asked(1).await;
    calling.peers.cut(REPLICAS);
    calling.heads.until_reached(2).await;
    let lost = vec![Sent::answered_by(&crate::rig::answer(&write(1, 1, 10)))];
    let expected = [Event::Reached, Event::Lost(lost), Event::Reached];
    assert_eq!(calling.heads.events(), expected);
    hosting.replicas.until_ended(1).await;
    // What was asked before is answered to nobody.
    for (message, reply) in hosting.replicas.take_held() {
        reply.answer(crate::rig::answer(&message));
    }
    assert!(calling.send(write(1, 2, 10)));
    hosting.replicas.until_asked(2).await;
    for (message, reply) in hosting.replicas.take_held() {
        reply.answer(crate::rig::answer(&message));
    }
    calling.heads.until_answered(1).await;
    let answers = calling.heads.answers();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].op.0, 2);
}

#[tokio::test]
async fn a_node_that_is_forgotten_has_no_link_any_more() {
    let (calling, hosting) = linked(SETTINGS, Mode::Held).await;
    assert!(calling.send(write(1, 1, 10)));
    calling.peers.forget(REPLICAS);
    calling.heads.until_lost().await;
    assert_eq!(calling.heads.lost().len(), 1);
    hosting.replicas.until_ended(1).await;
    assert!(!calling.send(write(1, 2, 10)));
}

#[tokio::test]
async fn a_listener_that_stops_ends_its_links() {
    let (calling, hosting) = linked(SETTINGS, Mode::Held).await;
    assert!(calling.send(write(1, 1, 10)));
    hosting.replicas.until_asked(1).await;
    hosting.listener.stop().await;
    assert_eq!(hosting.replicas.ended().len(), 1);
    calling.heads.until_lost().await;
    assert_eq!(calling.heads.lost().len(), 1);
}
