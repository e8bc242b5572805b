//! Buckets that change their owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ask::{Answer, Ask, send};
use crate::rig::Rig;

#[tokio::test]
async fn a_bucket_of_a_node_that_died_is_taken_over_while_the_request_waits() {
    let mut rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.ask(1, Ask::new("PUT", "/first/a").body("1"))
        .await
        .succeeds();
    rig.kill(0);
    rig.ask(0, Ask::new("PUT", "/first/b").body("2"))
        .await
        .succeeds();
    let kept = rig.ask(0, Ask::new("GET", "/first/a")).await.succeeds();
    assert_eq!(kept.body, "1");
}

#[tokio::test]
async fn a_request_does_not_wait_for_a_node_whose_power_was_cut() {
    let rig = Arc::new(Rig::new(2).await);
    rig.bucket(0, "first").await;
    let silent = &rig.nodes[0];
    silent.frozen.is.store(true, Ordering::SeqCst);
    let asking = rig.clone();
    let put = tokio::spawn(async move {
        asking
            .ask(1, Ask::new("PUT", "/first/a").body("1"))
            .await
            .succeeds();
    });
    while silent.frozen.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    silent.cut_power();
    put.await.unwrap();
    assert_eq!(rig.nodes[1].buckets.open_count(), 1);
}

#[tokio::test]
async fn a_node_without_its_volume_daemon_has_others_answer() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.ask(0, Ask::new("PUT", "/first/a").body("1"))
        .await
        .succeeds();
    rig.nodes[0].volumes.die();
    for node in [0, 1] {
        let got = rig.ask(node, Ask::new("GET", "/first/a")).await.succeeds();
        assert_eq!(got.body, "1");
    }
    assert_eq!(rig.nodes[1].buckets.open_count(), 1);
}

const SHORT: Duration = Duration::from_millis(300);
const FOR_EVER: Duration = Duration::from_hours(1);

/// An answer that does not take for ever.
async fn soon(answer: impl Future<Output = Answer>) -> Answer {
    let answer = tokio::time::timeout(Duration::from_mins(1), answer).await;
    answer.expect("an answer")
}

#[tokio::test]
async fn a_node_that_lives_and_cannot_be_reached_keeps_its_buckets() {
    for patience in [[SHORT, FOR_EVER], [FOR_EVER, SHORT]] {
        let rig = Rig::with_patience(2, patience).await;
        rig.bucket(0, "first").await;
        rig.nodes[0].cut_off();
        let refused = soon(rig.ask(1, Ask::new("PUT", "/first/a").body("1"))).await;
        assert_eq!(refused.headers["retry-after"], "1");
        refused.refuses(503, "SlowDown");
        rig.ask(0, Ask::new("PUT", "/first/b").body("2"))
            .await
            .succeeds();
    }
}

#[tokio::test]
async fn no_request_waits_for_a_volume_daemon_that_hangs() {
    let rig = Arc::new(Rig::new(2).await);
    rig.bucket(0, "first").await;
    let (owner, hangs) = (&rig.nodes[0], Arc::new(AtomicBool::new(false)));
    let (rack, hung) = (owner.rack.clone(), hangs.clone());
    let leases = tokio::spawn(async move {
        let ask = || async {
            if hung.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok::<_, &str>(Some(1_000))
        };
        rack.keep_lease(ask).await;
    });
    while rig
        .ask(0, Ask::new("PUT", "/first/a").body("1"))
        .await
        .status
        != 200
    {}
    owner.frozen.is.store(true, Ordering::SeqCst);
    let asked = [0, 1].map(|node| {
        let asking = rig.clone();
        let put = Ask::new("PUT", "/first/b").body("2");
        tokio::spawn(async move { soon(asking.ask(node, put)).await })
    });
    while owner.frozen.waiting.load(Ordering::SeqCst) < asked.len() {
        tokio::task::yield_now().await;
    }
    hangs.store(true, Ordering::SeqCst);
    for answer in asked {
        answer.await.unwrap().refuses(503, "SlowDown");
    }
    leases.abort();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_while_a_node_drains_under_load() {
    let rig = Arc::new(Rig::new(2).await);
    rig.bucket(0, "first").await;
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (rig, done) = (rig.clone(), done.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for count in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let target = format!("/first/{writer}-{count}");
                    let put = Ask::new("PUT", &target).body(target.clone());
                    let answer = rig.ask(writer % 2, put).await;
                    match answer.status.as_u16() {
                        200 => acknowledged.push(target),
                        // The SDKs repeat it.
                        503 => {}
                        _ => panic!("{} {}", answer.status, answer.text()),
                    }
                }
                acknowledged
            })
        })
        .collect();
    for node in [0, 1, 0] {
        rig.ask(1, Ask::new("GET", "/first?list-type=2"))
            .await
            .succeeds();
        rig.nodes[node].rack.drain().await;
        rig.ask(node, Ask::new("GET", "/first?list-type=2"))
            .await
            .succeeds();
        // One that was let in before may have opened it once more, until the node looks again.
        while rig.nodes[1 - node].buckets.open_count() == 0 {
            tokio::task::yield_now().await;
        }
        rig.nodes[node].rack.take_again();
        rig.until_takes(node, 1 - node).await;
    }
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        for target in writer.await.unwrap() {
            let got = rig.ask(0, Ask::new("GET", &target)).await.succeeds();
            assert_eq!(got.text(), target);
        }
    }
}

#[tokio::test]
async fn a_node_that_has_far_more_open_leaves_a_bucket_to_another() {
    let rig = Rig::new(2).await;
    let names: Vec<String> = (0..10).map(|number| format!("bucket-{number}")).collect();
    for name in &names {
        rig.bucket(0, name).await;
    }
    rig.nodes[0].buckets.close_all().await;
    for name in &names {
        let list = format!("/{name}?list-type=2");
        rig.ask(0, Ask::new("GET", &list)).await.succeeds();
    }
    let open = [0, 1].map(|node: usize| rig.nodes[node].buckets.open_count());
    assert_eq!(open, [9, 1]);
    // Where it is, it stays.
    let last = send(
        rig.nodes[1].s3,
        Ask::new("HEAD", "/bucket-9").signed(&rig.key),
    )
    .await;
    last.succeeds();
}
