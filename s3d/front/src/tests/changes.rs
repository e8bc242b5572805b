//! The change feed over S3.

use axum::body::Body;
use http_body_util::BodyExt as _;
use s3d_accounts::Key;
use tower::ServiceExt as _;

use super::rack::{Ask, Rack};

/// The feed of a target, for who has the key.
async fn follow(rack: &Rack, target: &str, key: &Key) -> Body {
    let answer = rack
        .front
        .clone()
        .oneshot(Ask::new("GET", target).signed(key));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    answer.into_body()
}

/// The next piece of a feed.
async fn next(feed: &mut Body) -> Option<String> {
    let frame = feed.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// The events that a feed has at once.
async fn events(rack: &Rack, target: &str) -> String {
    let mut feed = follow(rack, target, &rack.key).await;
    let mut text = String::new();
    while !text.contains("event: delete") {
        text += &next(&mut feed).await.unwrap();
    }
    text
}

#[tokio::test]
async fn whoever_may_list_a_bucket_may_follow_it() {
    let rack = Rack::new().await;
    for key in ["a/1", "b/1"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
        rack.ask(Ask::new("DELETE", &format!("/bucket/{key}")))
            .await
            .succeeds();
    }
    let all = events(&rack, "/bucket?changes&after=0").await;
    assert!(all.contains("a/1") && all.contains("event: put"), "{all}");
    let below = events(&rack, "/bucket?changes=&after=0&prefix=b/").await;
    assert!(below.contains("b/1") && !below.contains("a/1"), "{below}");
}

#[tokio::test]
async fn a_feed_is_refused_to_others_and_after_nonsense() {
    let rack = Rack::new().await;
    let foreign = rack.send(Ask::new("GET", "/bucket?changes").signed(&rack.foreign));
    foreign.await.refuses(403, "AccessDenied");
    let anyone = rack.send(Ask::new("GET", "/bucket?changes").plain());
    anyone.await.refuses(403, "AccessDenied");
    rack.get("/never-made?changes")
        .await
        .refuses(404, "NoSuchBucket");
    rack.get("/bucket?changes&after=x")
        .await
        .refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn a_feed_ends_when_its_key_is_revoked() {
    let rack = Rack::new().await;
    let mut feed = follow(&rack, "/bucket?changes", &rack.narrow).await;
    assert!(next(&mut feed).await.is_some());
    rack.put("/bucket/seen", b"x").await.succeeds();
    assert!(next(&mut feed).await.unwrap().contains("seen"));
    let namespace = &rack.narrow.grant.namespace;
    let deleted = rack.accounts.delete_key(namespace, &rack.narrow.id).await;
    assert!(deleted.unwrap());
    rack.put("/bucket/unseen", b"x").await.succeeds();
    assert_eq!(next(&mut feed).await, None);
}
