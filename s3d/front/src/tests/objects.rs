use super::rack::{Ask, Rack};

#[tokio::test]
async fn an_object_comes_back_as_it_went() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/a%20b/%C3%A9%2B../..")
        .header("content-type", "text/plain")
        .header("cache-control", "no-store")
        .header("x-amz-meta-colour", "blue")
        .body("hello");
    let stored = rack.ask(put).await.succeeds();
    assert_eq!(
        stored.headers["etag"],
        "\"5d41402abc4b2a76b9719d911017c592\""
    );
    for method in ["GET", "HEAD"] {
        let answer = rack
            .ask(Ask::new(method, "/bucket/a%20b/%C3%A9%2B../.."))
            .await
            .succeeds();
        assert_eq!(answer.headers["content-length"], "5");
        assert_eq!(answer.headers["content-type"], "text/plain");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-amz-meta-colour"], "blue");
        assert_eq!(answer.headers["etag"], stored.headers["etag"]);
        assert!(answer.headers.contains_key("last-modified"));
        if method == "GET" {
            assert_eq!(answer.body, "hello");
        }
    }
    let deleted = rack
        .ask(Ask::new("DELETE", "/bucket/a%20b/%C3%A9%2B../.."))
        .await;
    assert_eq!(deleted.status, 204);
    rack.get("/bucket/a%20b/%C3%A9%2B../..")
        .await
        .refuses(404, "NoSuchKey");
    assert_eq!(
        rack.ask(Ask::new("DELETE", "/bucket/never")).await.status,
        204
    );
}

#[tokio::test]
async fn bodies_of_every_size_come_back() {
    let rack = Rack::new().await;
    for size in [0, 1, 4095, 65_536, 65_537, 1 << 20, (3 << 20) + 17] {
        let body: Vec<u8> = (0..size).map(|at: usize| (at % 253) as u8).collect();
        rack.ask(Ask::new("PUT", "/bucket/k").body(body.clone()))
            .await
            .succeeds();
        assert!(
            rack.get("/bucket/k").await.succeeds().body == body,
            "{size}"
        );
    }
}

#[tokio::test]
async fn ranges_and_conditions_are_kept() {
    let rack = Rack::new().await;
    let etag = rack
        .put("/bucket/k", b"0123456789")
        .await
        .succeeds()
        .headers["etag"]
        .clone();
    let etag = etag.to_str().unwrap();
    let get = |name, value| rack.ask(Ask::new("GET", "/bucket/k").header(name, value));
    let part = get("range", "bytes=2-4").await;
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "234"));
    assert_eq!(part.headers["content-range"], "bytes 2-4/10");
    assert_eq!(get("range", "bytes=-3").await.text(), "789");
    get("range", "bytes=10-").await.refuses(416, "InvalidRange");
    let head = rack
        .ask(Ask::new("HEAD", "/bucket/k").header("range", "bytes=2-4"))
        .await;
    assert_eq!(
        (head.status.as_u16(), &head.headers["content-length"]),
        (206, &"3".parse().unwrap())
    );
    let had = get("if-none-match", etag).await;
    assert_eq!((had.status.as_u16(), had.body.len()), (304, 0));
    assert_eq!(had.headers["etag"], etag);
    get("if-match", "\"other\"")
        .await
        .refuses(412, "PreconditionFailed");
    get("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT")
        .await
        .refuses(412, "PreconditionFailed");
    assert_eq!(
        get("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")
            .await
            .status,
        304
    );

    let put = |name, value| rack.ask(Ask::new("PUT", "/bucket/k").header(name, value).body("x"));
    put("if-none-match", "*")
        .await
        .refuses(412, "PreconditionFailed");
    put("if-match", "\"other\"")
        .await
        .refuses(412, "PreconditionFailed");
    put("if-none-match", etag)
        .await
        .refuses(412, "PreconditionFailed");
    assert_eq!(rack.get("/bucket/k").await.text(), "0123456789");
    put("if-match", etag).await.succeeds();
    assert_eq!(rack.get("/bucket/k").await.text(), "x");
}

#[tokio::test]
async fn listings_are_paged_rolled_up_and_encoded() {
    let rack = Rack::new().await;
    for key in ["a", "b/1", "b/2", "c%20d", "e"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
    }
    let page = rack
        .get("/bucket?list-type=2&delimiter=/&max-keys=2")
        .await
        .succeeds();
    assert_eq!(page.element("Key").as_deref(), Some("a"));
    assert_eq!(
        page.element("CommonPrefixes").as_deref(),
        Some("<Prefix>b/</Prefix>")
    );
    assert_eq!(page.element("KeyCount").as_deref(), Some("2"));
    assert_eq!(page.element("IsTruncated").as_deref(), Some("true"));
    assert!(page.element("Owner").is_none());
    let token = page.element("NextContinuationToken").unwrap();
    let target = format!(
        "/bucket?list-type=2&delimiter=/&encoding-type=url&fetch-owner=true&continuation-token={token}"
    );
    let rest = rack.get(&target).await.succeeds();
    assert_eq!(rest.element("Key").as_deref(), Some("c%20d"));
    assert_eq!(rest.element("IsTruncated").as_deref(), Some("false"));
    assert!(rest.element("Owner").is_some());
    assert!(rest.text().contains("<Key>e</Key>"));
    assert!(!rest.text().contains("<Prefix>b/"));

    let first = rack.get("/bucket?max-keys=1&prefix=b/").await.succeeds();
    assert_eq!(first.element("Key").as_deref(), Some("b/1"));
    let marker = first.element("NextMarker").unwrap();
    let second = rack
        .get(&format!("/bucket?prefix=b/&marker={marker}"))
        .await
        .succeeds();
    assert_eq!(second.element("Key").as_deref(), Some("b/2"));
    let after = rack
        .get("/bucket?list-type=2&start-after=c%20d")
        .await
        .succeeds();
    assert_eq!(after.element("Key").as_deref(), Some("e"));
    let none = rack.get("/bucket?list-type=2&max-keys=0").await.succeeds();
    assert_eq!(none.element("KeyCount").as_deref(), Some("0"));
    rack.get("/bucket?max-keys=-1")
        .await
        .refuses(400, "InvalidArgument");
    rack.get("/bucket?list-type=2&continuation-token=x")
        .await
        .refuses(400, "InvalidArgument");
    rack.get("/bucket?encoding-type=base64")
        .await
        .refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let rack = Rack::new().await;
    for key in ["a", "b", "c"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
    }
    let delete = |document: &str| rack.ask(Ask::new("POST", "/bucket?delete").body(document));
    let answer = delete(
        "<Delete><Object><Key>a</Key></Object><Object><Key>never</Key></Object>\
         <Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>",
    );
    let answer = answer.await.succeeds();
    assert!(
        answer.text().contains("<Deleted><Key>a</Key></Deleted>"),
        "{}",
        answer.text()
    );
    assert!(
        answer
            .text()
            .contains("<Deleted><Key>never</Key></Deleted>"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.element("Code").as_deref(), Some("InvalidArgument"));
    rack.get("/bucket/a").await.refuses(404, "NoSuchKey");
    rack.get("/bucket/b").await.succeeds();
    let quiet = delete("<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>").await;
    assert!(!quiet.succeeds().text().contains("<Deleted>"));
    rack.get("/bucket/b").await.refuses(404, "NoSuchKey");
    let of_size =
        |size| format!("<Delete><Object><Key>c</Key><Size>{size}</Size></Object></Delete>");
    let kept = delete(&of_size(2)).await.succeeds();
    assert_eq!(kept.element("Code").as_deref(), Some("PreconditionFailed"));
    for _ in 0..2 {
        // What is not there is deleted, whatever is asked of it.
        let gone = delete(&of_size(1)).await.succeeds();
        assert_eq!(gone.element("Key").as_deref(), Some("c"));
    }
    rack.get("/bucket/c").await.refuses(404, "NoSuchKey");
    delete("<Delete></Delete>")
        .await
        .refuses(400, "MalformedXML");
    delete("<Delete>").await.refuses(400, "MalformedXML");
}

#[tokio::test]
async fn limits_are_those_of_s3() {
    let rack = Rack::new().await;
    let key = |length| format!("/bucket/{}", "k".repeat(length));
    rack.put(&key(1024), b"x").await.succeeds();
    rack.put(&key(1025), b"x")
        .await
        .refuses(400, "KeyTooLongError");
    rack.put("/bucket/a%00b", b"x")
        .await
        .refuses(400, "InvalidURI");
    rack.put("/bucket/a%ff", b"x")
        .await
        .refuses(400, "InvalidURI");
    let long = Ask::new("PUT", "/bucket/k").header("x-amz-meta-a", "x".repeat(2048));
    rack.ask(long).await.refuses(400, "MetadataTooLarge");
    let huge = Ask::new("PUT", "/bucket/k").header("content-length", "5368709121");
    rack.ask(huge).await.refuses(400, "EntityTooLarge");
    let acl = Ask::new("PUT", "/bucket/k").header("x-amz-acl", "public-ready");
    rack.ask(acl).await.refuses(400, "InvalidArgument");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
}
