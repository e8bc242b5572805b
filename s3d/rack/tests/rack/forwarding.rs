//! Requests for buckets of another node.

use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;

use crate::ask::{Answer, Ask, send};
use crate::rig::Rig;

impl Rig {
    /// Signs a request and sends it to a node.
    pub async fn ask(&self, node: usize, ask: Ask<'_>) -> Answer {
        send(self.nodes[node].s3, ask.signed(&self.key)).await
    }
}

pub fn numbers(count: u32) -> Bytes {
    (0..count).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn any_node_answers_for_any_bucket() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.bucket(1, "second").await;
    let body = numbers(1_000_000);
    for node in [0, 1] {
        for bucket in ["first", "second"] {
            let target = format!("/{bucket}/from-{node}");
            let put = Ask::new("PUT", &target).body(body.clone());
            rig.ask(node, put).await.succeeds();
            let answer = rig.ask(1 - node, Ask::new("GET", &target)).await.succeeds();
            assert_eq!(answer.body, body);
            let head = rig.ask(node, Ask::new("HEAD", &target)).await.succeeds();
            assert_eq!(head.headers["content-length"], body.len().to_string());
        }
    }
    // Virtual hosts are forwarded as they came, too.
    let get = Ask::new("GET", "/from-1").host("second.s3.example.org");
    let answer = rig.ask(0, get.header("range", "bytes=4-7")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (206, &1u32.to_le_bytes()[..])
    );
    // Each bucket was opened once, by who made it.
    assert_eq!(rig.volumes.attached.load(SeqCst), 2);
}

#[tokio::test]
async fn a_refusal_comes_back_as_the_owner_says_it() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    let missing = rig.ask(1, Ask::new("GET", "/first/missing")).await;
    missing.refuses(404, "NoSuchKey");
    let stranger = send(rig.nodes[1].s3, Ask::new("GET", "/first/missing").plain()).await;
    stranger.refuses(403, "AccessDenied");
    let none = rig.ask(1, Ask::new("GET", "/none/missing")).await;
    none.refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn buckets_that_nobody_uses_stay_closed() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.nodes[0].buckets.close_all().await;
    let opened = rig.volumes.attached.load(SeqCst);
    let stranger = send(
        rig.nodes[1].s3,
        Ask::new("GET", "/first?list-type=2").plain(),
    )
    .await;
    stranger.refuses(403, "AccessDenied");
    rig.ask(1, Ask::new("HEAD", "/first")).await.succeeds();
    rig.ask(1, Ask::new("GET", "/first?acl")).await.succeeds();
    assert_eq!(rig.volumes.attached.load(SeqCst), opened);
    rig.ask(1, Ask::new("GET", "/first?list-type=2"))
        .await
        .succeeds();
    assert_eq!(rig.volumes.attached.load(SeqCst), opened + 1);
    assert_eq!(rig.nodes[1].buckets.open_count(), 1);
}

#[tokio::test]
async fn a_bucket_that_moved_is_found_again() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.ask(1, Ask::new("PUT", "/first/a").body("1"))
        .await
        .succeeds();
    rig.nodes[0].rack.drain().await;
    // The second node still takes the first one for the owner.
    rig.ask(1, Ask::new("PUT", "/first/b").body("2"))
        .await
        .succeeds();
    assert_eq!(rig.nodes[1].buckets.open_count(), 1);
    assert_eq!(rig.nodes[0].buckets.open_count(), 0);
    let answer = rig.ask(0, Ask::new("GET", "/first/a")).await.succeeds();
    assert_eq!(answer.body, "1");
}
