//! Tags of objects.

use super::rack::{Ask, Rack};

const TAGS: &str = "<Tagging><TagSet><Tag><Key>size</Key><Value>small</Value></Tag>\
                    <Tag><Key>colour</Key><Value>green</Value></Tag></TagSet></Tagging>";

#[tokio::test]
async fn tags_come_back_sorted_and_go() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let none = rack.get("/bucket/k?tagging").await.succeeds();
    assert_eq!(none.element("Key"), None);
    let put = Ask::new("PUT", "/bucket/k?tagging").body(TAGS);
    rack.ask(put).await.succeeds();
    let tags = rack.get("/bucket/k?tagging").await.succeeds();
    assert_eq!(tags.element("Key").as_deref(), Some("colour"));
    let object = rack.get("/bucket/k").await.succeeds();
    assert_eq!(object.headers["x-amz-tagging-count"], "2");
    assert_eq!(object.text(), "x");
    let deleted = rack.ask(Ask::new("DELETE", "/bucket/k?tagging")).await;
    assert_eq!(deleted.status, 204);
    let object = rack.get("/bucket/k").await.succeeds();
    assert!(!object.headers.contains_key("x-amz-tagging-count"));
    rack.get("/bucket/never?tagging")
        .await
        .refuses(404, "NoSuchKey");
    let put = Ask::new("PUT", "/bucket/never?tagging").body(TAGS);
    rack.ask(put).await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_put_brings_its_tags() {
    let rack = Rack::new().await;
    let put = |tags: &str| {
        let ask = Ask::new("PUT", "/bucket/k").header("x-amz-tagging", tags);
        rack.ask(ask.body("x"))
    };
    put("foo=bar&bar").await.succeeds();
    let tags = rack.get("/bucket/k?tagging").await.succeeds();
    assert!(
        tags.text().contains("<Key>bar</Key><Value></Value>"),
        "{}",
        tags.text()
    );
    let eleven: Vec<_> = (0..11).map(|number| format!("k{number}=v")).collect();
    put(&eleven.join("&")).await.refuses(400, "InvalidTag");
    // A put without tags leaves none.
    rack.put("/bucket/k", b"x").await.succeeds();
    let tags = rack.get("/bucket/k?tagging").await.succeeds();
    assert_eq!(tags.element("Key"), None);
}

#[tokio::test]
async fn tags_are_the_owners() {
    let rack = Rack::new().await;
    let acl = Ask::new("PUT", "/bucket?acl").header("x-amz-acl", "public-read-write");
    rack.ask(acl).await.succeeds();
    let put = Ask::new("PUT", "/bucket/k")
        .header("x-amz-acl", "public-read")
        .header("x-amz-tagging", "a=b")
        .body("x");
    rack.ask(put.clone()).await.succeeds();
    rack.send(put.signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
    let read = rack
        .send(Ask::new("GET", "/bucket/k").plain())
        .await
        .succeeds();
    assert!(!read.headers.contains_key("x-amz-tagging-count"));
    rack.send(Ask::new("GET", "/bucket/k?tagging").signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
}
