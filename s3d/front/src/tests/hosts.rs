use super::rack::{Ask, Rack};

#[tokio::test]
async fn every_form_of_host_reaches_the_same_object() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    for (host, target) in [
        ("127.0.0.1:9000", "/bucket/k"),
        ("localhost", "/bucket/k"),
        ("elsewhere.net", "/bucket/k"),
        ("s3.example.org:9000", "/bucket/k"),
        ("bucket.s3.example.org:9000", "/k"),
        ("bucket.ours.s3.example.org:9000", "/bucket/k"),
        ("bucket.bucket.ours.s3.example.org", "/k"),
    ] {
        let answer = rack.ask(Ask::new("GET", target).host(host)).await;
        assert_eq!(answer.succeeds().body, "x", "{host}");
    }
}

#[tokio::test]
async fn the_endpoint_of_a_bucket_is_its_own() {
    let rack = Rack::new().await;
    rack.put("/other/k", b"x").await.succeeds();
    let ask = |method, target, host| rack.ask(Ask::new(method, target).host(host));
    let endpoint = "bucket.ours.s3.example.org";
    let refused = ask("PUT", "/k", endpoint)
        .await
        .refuses(400, "InvalidRequest");
    assert!(refused.text().contains("path style"), "{}", refused.text());
    ask("GET", "/other/k", endpoint)
        .await
        .refuses(400, "InvalidRequest");
    ask("GET", "/bucket/k", "bucket.theirs.s3.example.org")
        .await
        .refuses(404, "NoSuchBucket");
    ask("GET", "/k", "bucket.bucket.theirs.s3.example.org")
        .await
        .refuses(404, "NoSuchBucket");
    ask("GET", "/k", "a.b.ours.s3.example.org")
        .await
        .refuses(400, "InvalidRequest");
    ask("GET", "/", "bucket..s3.example.org")
        .await
        .refuses(400, "InvalidRequest");
}

#[tokio::test]
async fn the_rest_api_has_a_host_of_its_own() {
    let rack = Rack::new().await;
    let answer = rack
        .send(
            Ask::new("GET", "/x")
                .host("s3-api.example.org:9000")
                .plain(),
        )
        .await;
    assert_eq!(answer.text(), "the REST API");
    assert!(answer.headers.contains_key("x-amz-request-id"));
}
