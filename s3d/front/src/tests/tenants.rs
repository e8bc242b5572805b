use std::sync::atomic::Ordering::SeqCst;

use super::rack::{Ask, Rack};

#[tokio::test]
async fn anyone_may_read_what_is_public_and_nothing_else() {
    let rack = Rack::new().await;
    rack.put("/bucket/private", b"x").await.succeeds();
    let public = Ask::new("PUT", "/bucket/public")
        .header("x-amz-acl", "public-read")
        .body("y");
    rack.ask(public).await.succeeds();
    let anyone = |method, target| rack.send(Ask::new(method, target).plain());
    assert_eq!(anyone("GET", "/bucket/public").await.succeeds().body, "y");
    anyone("HEAD", "/bucket/public").await.succeeds();
    for (method, target) in [
        ("GET", "/bucket/private"),
        ("GET", "/bucket/never"),
        ("GET", "/bucket"),
        ("GET", "/bucket?acl"),
        ("GET", "/"),
        ("PUT", "/bucket/public"),
        ("DELETE", "/bucket/public"),
        ("PUT", "/anew"),
        ("DELETE", "/bucket"),
        ("POST", "/bucket/k?uploads"),
    ] {
        anyone(method, target).await.refuses(403, "AccessDenied");
    }
    let overridden = "/bucket/public?response-content-type=text/html";
    anyone("GET", overridden)
        .await
        .refuses(400, "InvalidRequest");
    assert_eq!(
        rack.get(overridden).await.headers["content-type"],
        "text/html"
    );
    anyone("GET", "/nowhere/k")
        .await
        .refuses(404, "NoSuchBucket");
    let grants = rack.get("/bucket/public?acl").await.succeeds().text();
    assert!(grants.contains("AllUsers") && grants.contains("FULL_CONTROL"));
    assert!(
        !rack
            .get("/bucket/private?acl")
            .await
            .succeeds()
            .text()
            .contains("AllUsers")
    );
}

#[tokio::test]
async fn a_key_that_only_reads_changes_nothing() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let ask = |method, target| rack.send(Ask::new(method, target).signed(&rack.reading));
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/bucket"),
        ("GET", "/bucket?acl"),
        ("GET", "/bucket/k"),
        ("HEAD", "/bucket/k"),
    ] {
        ask(method, target).await.succeeds();
    }
    for (method, target) in [
        ("PUT", "/anew"),
        ("DELETE", "/bucket"),
        ("PUT", "/bucket?acl"),
        ("PUT", "/bucket/k"),
        ("DELETE", "/bucket/k"),
        ("POST", "/bucket/k?uploads"),
    ] {
        ask(method, target).await.refuses(403, "AccessDenied");
    }
    assert_eq!(rack.get("/bucket/k").await.succeeds().body, "x");
}

#[tokio::test]
async fn a_public_bucket_is_listed_by_anyone_and_its_objects_stay_private() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let acl = |acl| rack.ask(Ask::new("PUT", "/bucket?acl").header("x-amz-acl", acl));
    acl("public-read").await.succeeds();
    let anyone = |target| rack.send(Ask::new("GET", target).plain());
    anyone("/bucket").await.succeeds();
    anyone("/bucket/k").await.refuses(403, "AccessDenied");
    anyone("/bucket/never").await.refuses(404, "NoSuchKey");
    acl("authenticated-read").await.succeeds();
    anyone("/bucket").await.refuses(403, "AccessDenied");
    let foreign = Ask::new("GET", "/bucket").signed(&rack.foreign);
    rack.send(foreign).await.succeeds();
    acl("public-ready").await.refuses(400, "InvalidArgument");
    rack.ask(Ask::new("PUT", "/bucket?acl"))
        .await
        .refuses(400, "InvalidRequest");
    acl("private").await.succeeds();
    anyone("/bucket").await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn other_tenants_are_out_of_reach() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    for (method, target) in [
        ("GET", "/bucket/k"),
        ("GET", "/bucket"),
        ("PUT", "/bucket/k"),
        ("DELETE", "/bucket/k"),
        ("DELETE", "/bucket"),
        ("GET", "/bucket?uploads"),
    ] {
        let answer = rack
            .send(Ask::new(method, target).signed(&rack.foreign))
            .await;
        answer.refuses(403, "AccessDenied");
    }
    let create = rack
        .send(Ask::new("PUT", "/bucket").signed(&rack.foreign))
        .await;
    create.refuses(409, "BucketAlreadyExists");
    // In the oldest region that is no error.
    rack.ask(Ask::new("PUT", "/bucket")).await.succeeds();
}

#[tokio::test]
async fn a_key_of_one_bucket_touches_no_other() {
    let rack = Rack::new().await;
    let ask = |method, target| rack.send(Ask::new(method, target).signed(&rack.narrow));
    ask("PUT", "/bucket/k").await.succeeds();
    ask("PUT", "/other/k").await.refuses(403, "AccessDenied");
    ask("GET", "/other").await.refuses(403, "AccessDenied");
    ask("PUT", "/anew").await.refuses(403, "AccessDenied");
    let names = ask("GET", "/").await.succeeds().text();
    assert!(
        names.contains("<Name>bucket</Name>") && !names.contains("other"),
        "{names}"
    );
    let names = rack.get("/").await.succeeds().text();
    assert!(names.contains("<Name>bucket</Name>") && names.contains("<Name>other</Name>"));
    assert!(!names.contains("foreign"));
}

#[tokio::test]
async fn buckets_come_and_go() {
    let rack = Rack::new().await;
    rack.ask(Ask::new("PUT", "/a.new.one")).await.succeeds();
    rack.ask(Ask::new("HEAD", "/a.new.one")).await.succeeds();
    rack.put("/a.new.one/k", b"x").await.succeeds();
    rack.ask(Ask::new("DELETE", "/a.new.one"))
        .await
        .refuses(409, "BucketNotEmpty");
    rack.ask(Ask::new("DELETE", "/a.new.one/k"))
        .await
        .succeeds();
    rack.ask(Ask::new("DELETE", "/a.new.one")).await.succeeds();
    rack.get("/a.new.one").await.refuses(404, "NoSuchBucket");
    for name in ["/AB", "/ab", "/a_b_c", "/-abc"] {
        rack.ask(Ask::new("PUT", name))
            .await
            .refuses(400, "InvalidBucketName");
    }
    let located = rack.get("/bucket?location").await.succeeds().text();
    assert!(located.contains("LocationConstraint"), "{located}");
    rack.volumes.full.store(true, SeqCst);
    rack.ask(Ask::new("PUT", "/one-too-many"))
        .await
        .refuses(507, "InsufficientStorage");
}

#[tokio::test]
async fn a_volume_daemon_that_is_away_is_waited_for() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    rack.volumes.away.store(true, SeqCst);
    rack.volumes.crash();
    let mut answer = rack.get("/bucket/k").await;
    // The first one may only now find out that the connection is gone.
    if answer.status == 200 {
        answer = rack.put("/bucket/k", b"y").await;
    }
    let answer = answer.refuses(503, "ServiceUnavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    rack.volumes.away.store(false, SeqCst);
    rack.get("/bucket/k").await.succeeds();
}
