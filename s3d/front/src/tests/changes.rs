//! The change feed over S3.

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::rack::{Ask, Rack};

/// The events that a feed has at once.
async fn events(rack: &Rack, target: &str) -> String {
    let answer = rack
        .front
        .clone()
        .oneshot(Ask::new("GET", target).signed(&rack.key));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let mut text = String::new();
    while !text.contains("event: delete") {
        let frame = body.frame().await.unwrap().unwrap();
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
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
