//! Renames of prefixes.

use super::rack::{Answer, Ask, Rack};

fn with_source<'a>(target: &'a str, source: &str) -> Ask<'a> {
    Ask::new("PUT", target).header("x-amz-rename-source", source)
}

async fn rename(rack: &Rack, target: &str, source: &str) -> Answer {
    rack.ask(with_source(target, source)).await
}

async fn put_all(rack: &Rack, keys: &[&str]) {
    for key in keys {
        let path = format!("/bucket/{key}");
        let put = Ask::new("PUT", &path)
            .header("x-amz-meta-colour", "green")
            .body(key.to_string());
        rack.ask(put).await.succeeds();
    }
}

/// The keys of the bucket, in their order.
async fn keys(rack: &Rack) -> Vec<String> {
    let listed = rack.get("/bucket?list-type=2").await.succeeds().text();
    let lines = listed.split("<Key>").skip(1);
    let keys = lines.filter_map(|line| Some(line.split_once("</Key>")?.0.to_owned()));
    keys.collect()
}

#[tokio::test]
async fn all_keys_of_a_prefix_get_another_one() {
    let rack = Rack::new().await;
    put_all(&rack, &["a%20b/", "a%20b/1", "a%20b/c/2", "a"]).await;
    let target = "/bucket/d/e%20f/?renamePrefix";
    let renamed = rename(&rack, target, "bucket/a%20b/").await.succeeds();
    assert_eq!(
        (renamed.status.as_u16(), renamed.text().as_str()),
        (200, "")
    );
    assert_eq!(keys(&rack).await, ["a", "d/e f/", "d/e f/1", "d/e f/c/2"]);
    let read = rack.get("/bucket/d/e%20f/c/2").await.succeeds();
    assert_eq!(read.text(), "a%20b/c/2");
    assert_eq!(read.headers["x-amz-meta-colour"], "green");
    // Every form that names a source, and a prefix that ends in no slash.
    rename(&rack, "/bucket/x?renamePrefix=", "/bucket/d/")
        .await
        .succeeds();
    let hosted = with_source("/y/?renamePrefix", "x").host("bucket.s3.example.org");
    rack.ask(hosted).await.succeeds();
    assert_eq!(
        keys(&rack).await,
        ["a", "y/e f/", "y/e f/1", "y/e f/c/2"],
        "the source lay in the bucket"
    );
    let presigned = with_source("/bucket/z/?renamePrefix", "y/")
        .presigned(&rack.key, std::time::Duration::from_mins(1));
    rack.send(presigned).await.succeeds();
    assert_eq!(keys(&rack).await[1], "z/e f/");
}

#[tokio::test]
async fn nothing_but_a_marker_is_replaced() {
    let rack = Rack::new().await;
    put_all(&rack, &["a/", "a/1", "b/", "c/1"]).await;
    let anything = || with_source("/bucket/b/?renamePrefix", "a/");
    let refused = rack.ask(anything().header("if-none-match", "*")).await;
    refused.refuses(412, "PreconditionFailed");
    rename(&rack, "/bucket/c/?renamePrefix", "a/")
        .await
        .refuses(409, "PrefixNotEmpty");
    assert_eq!(keys(&rack).await, ["a/", "a/1", "b/", "c/1"]);
    rack.ask(anything()).await.succeeds();
    assert_eq!(keys(&rack).await, ["b/", "b/1", "c/1"]);
    assert_eq!(rack.get("/bucket/b/").await.text(), "a/");
    let fresh = with_source("/bucket/d/?renamePrefix", "b/").header("if-none-match", "*");
    rack.ask(fresh).await.succeeds();
}

#[tokio::test]
async fn what_is_no_rename_of_a_prefix_changes_nothing() {
    let rack = Rack::new().await;
    put_all(&rack, &["a/1"]).await;
    let target = "/bucket/b/?renamePrefix";
    for (source, status, code) in [
        ("never/", 404, "NoSuchKey"),
        ("other/a/", 404, "NoSuchKey"),
        ("bucket/", 400, "InvalidArgument"),
        ("%FF", 400, "InvalidArgument"),
        ("b/c/", 400, "InvalidArgument"),
    ] {
        rename(&rack, target, source).await.refuses(status, code);
    }
    for inside in ["/bucket/a/2/?renamePrefix", "/bucket/a/?renamePrefix"] {
        rename(&rack, inside, "a/")
            .await
            .refuses(400, "InvalidArgument");
    }
    let long = format!("/bucket/{}/?renamePrefix", "k".repeat(1023));
    rename(&rack, &long, "a/")
        .await
        .refuses(400, "InvalidArgument");
    let bodied = with_source(target, "a/").body("bytes");
    rack.ask(bodied).await.refuses(400, "InvalidRequest");
    rack.ask(Ask::new("PUT", target))
        .await
        .refuses(400, "InvalidArgument");
    for (name, value) in [
        ("if-match", "*"),
        ("if-none-match", "\"etag\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-amz-rename-source-if-match", "\"etag\""),
        ("x-amz-client-token", "t"),
        ("x-amz-copy-source", "bucket/a/1"),
    ] {
        let refused = rack.ask(with_source(target, "a/").header(name, value));
        refused.await.refuses(501, "NotImplemented");
    }
    for target in [
        "/bucket/b/?renamePrefix&renameObject",
        "/bucket/b/?renamePrefix&tagging",
        "/bucket?renamePrefix",
    ] {
        rename(&rack, target, "a/")
            .await
            .refuses(501, "NotImplemented");
    }
    rename(&rack, "/nowhere/b/?renamePrefix", "a/")
        .await
        .refuses(404, "NoSuchBucket");
    assert_eq!(keys(&rack).await, ["a/1"]);
}

#[tokio::test]
async fn nobody_renames_below_what_is_not_theirs() {
    let rack = Rack::new().await;
    put_all(&rack, &["a/1"]).await;
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
        "Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}]}"#;
    let ask = || with_source("/bucket/b/?renamePrefix", "a/");
    for allowed in [false, true] {
        if allowed {
            let set = Ask::new("PUT", "/bucket?policy").body(everything);
            rack.ask(set).await.succeeds();
        }
        // What a policy allows it allows key by key: it gives nobody a prefix.
        for request in [
            ask().signed(&rack.foreign),
            ask().signed(&rack.reading),
            ask().plain(),
            with_source("/other/b/?renamePrefix", "bucket/a/").signed(&rack.narrow),
        ] {
            rack.send(request).await.refuses(403, "AccessDenied");
        }
    }
    rack.send(ask().signed(&rack.narrow)).await.succeeds();
    assert_eq!(keys(&rack).await, ["b/1"]);
}

#[tokio::test]
async fn what_is_denied_of_one_key_is_denied_of_its_prefixes() {
    let rack = Rack::new().await;
    put_all(&rack, &["a/1", "a/kept/2"]).await;
    for (action, key, denied) in [
        ("GetObject", "a/kept/*", true),
        ("PutObject", "b/x", true),
        ("DeleteObject", "a/kept/2", true),
        ("PutObject", "c/*", false),
    ] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*",
                "Action":"s3:{action}","Resource":"arn:aws:s3:::bucket/{key}"}}]}}"#
        );
        let set = Ask::new("PUT", "/bucket?policy").body(policy);
        rack.ask(set).await.succeeds();
        let renamed = rename(&rack, "/bucket/b/?renamePrefix", "a/").await;
        if denied {
            renamed.refuses(403, "AccessDenied");
        } else {
            renamed.succeeds();
        }
    }
}
