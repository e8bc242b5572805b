//! What one node changes holds on every other.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use s3d_accounts::{KeyGrant, Scope};

use crate::ask::{Ask, send};
use crate::rig::Rig;

#[tokio::test]
async fn a_key_is_known_and_revoked_on_every_node() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    let grant = KeyGrant::new(rig.home.clone(), Scope::Namespace);
    let key = rig.nodes[0].accounts.create_key(grant, None).await.unwrap();
    // The second node keeps it in memory from now on.
    let get = || Ask::new("GET", "/first?acl").signed(&key);
    send(rig.nodes[1].s3, get()).await.succeeds();
    rig.nodes[0]
        .accounts
        .delete_key(&rig.home, &key.id)
        .await
        .unwrap();
    send(rig.nodes[0].s3, get())
        .await
        .refuses(403, "InvalidAccessKeyId");
    let refused = async {
        while send(rig.nodes[1].s3, get()).await.status != 403 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), refused)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bucket_is_made_and_deleted_from_every_node() {
    let rig = Rig::new(2).await;
    rig.ask(1, Ask::new("PUT", "/made")).await.succeeds();
    rig.ask(0, Ask::new("PUT", "/made/a").body("1"))
        .await
        .succeeds();
    rig.ask(0, Ask::new("DELETE", "/made"))
        .await
        .refuses(409, "BucketNotEmpty");
    rig.ask(0, Ask::new("DELETE", "/made/a")).await.succeeds();
    rig.ask(0, Ask::new("DELETE", "/made")).await.succeeds();
    rig.ask(1, Ask::new("PUT", "/made")).await.succeeds();
    rig.ask(1, Ask::new("GET", "/made/a"))
        .await
        .refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn the_rest_api_answers_for_any_bucket() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.ask(0, Ask::new("PUT", "/first/a").body("12345"))
        .await
        .succeeds();
    let token = rig.token().await;
    let call = |node: usize, ask: Ask<'_>| {
        let ask = ask.header("authorization", format!("Bearer {token}"));
        let ask = ask.header("content-type", "application/json");
        send(rig.nodes[node].api, ask.plain())
    };
    let shown = call(1, Ask::new("GET", "/api/v1/buckets/first"))
        .await
        .succeeds();
    assert!(shown.text().contains("\"objects\":1"), "{}", shown.text());
    let quota = Ask::new("PATCH", "/api/v1/buckets/first").body("{\"quotaBytes\": 6}");
    call(1, quota).await.succeeds();
    let put = rig.ask(0, Ask::new("PUT", "/first/b").body("12345")).await;
    put.refuses(403, "QuotaExceeded");
    let delete = Ask::new("DELETE", "/buckets/first?force=true");
    call(1, delete).await.succeeds();
    rig.ask(0, Ask::new("GET", "/first/a"))
        .await
        .refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn a_call_about_the_disks_of_a_node_is_answered_there() {
    let rig = Rig::new(2).await;
    let bearer = format!("Bearer {}", rig.token().await);
    let ask = async |target: &str| {
        let get = Ask::new("GET", target).header("authorization", bearer.clone());
        // What only operators may, so that nobody's volume daemon is needed.
        let answer = send(rig.nodes[0].api, get.plain()).await;
        answer.refuses(403, "NotAnOperator");
        let mut registry = Registry::default();
        rig.nodes[0].rack.counters().register(&mut registry);
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        page.contains("forwarded_requests_total{node=\"2\",outcome=\"answered\"} 1")
    };
    assert!(!ask("/api/v1/nodes/node-1/disks").await);
    assert!(!ask("/api/v1/nodes/here/disks").await);
    assert!(ask("/api/v1/nodes/node-2/disks").await);
}
