//! Renames.

use super::rack::{Answer, Ask, Rack};

async fn rename(
    rack: &Rack,
    target: &str,
    source: &str,
    headers: &[(&'static str, &str)],
) -> Answer {
    rack.ask(with_source(target, source, headers)).await
}

fn with_source<'a>(target: &'a str, source: &str, headers: &[(&'static str, &str)]) -> Ask<'a> {
    let ask = Ask::new("PUT", target).header("x-amz-rename-source", source);
    headers
        .iter()
        .fold(ask, |ask, (name, value)| ask.header(name, *value))
}

async fn put_source(rack: &Rack, path: &str) {
    let put = Ask::new("PUT", path)
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "green")
        .header("x-amz-tagging", "size=small")
        .header("x-amz-acl", "public-read")
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .body("hello");
    rack.ask(put).await.succeeds();
}

async fn is_gone(rack: &Rack, path: &str) {
    rack.get(path).await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn an_object_keeps_all_but_its_key() {
    let rack = Rack::new().await;
    put_source(&rack, "/bucket/a%20b").await;
    let checked = |path| Ask::new("GET", path).header("x-amz-checksum-mode", "ENABLED");
    let before = rack.ask(checked("/bucket/a%20b")).await.succeeds();
    let renamed = rename(&rack, "/bucket/c/d?renameObject", "bucket/a%20b", &[]).await;
    let renamed = renamed.succeeds();
    assert_eq!(
        (renamed.status.as_u16(), renamed.text().as_str()),
        (200, "")
    );
    is_gone(&rack, "/bucket/a%20b").await;
    let after = rack.ask(checked("/bucket/c/d")).await.succeeds();
    assert_eq!(after.text(), "hello");
    for kept in [
        "etag",
        "last-modified",
        "content-type",
        "x-amz-meta-colour",
        "x-amz-tagging-count",
        "x-amz-checksum-crc32",
    ] {
        assert_eq!(after.headers[kept], before.headers[kept], "{kept}");
    }
    let anyone = rack.send(Ask::new("GET", "/bucket/c/d").plain()).await;
    assert_eq!(anyone.succeeds().text(), "hello", "the ACL came along");
}

#[tokio::test]
async fn every_form_of_a_request_is_taken() {
    let rack = Rack::new().await;
    rack.put("/bucket/0", b"hello").await.succeeds();
    for (n, (query, source)) in [
        ("?renameObject", "bucket/0"),
        ("?renameObject=&x-id=RenameObject", "/bucket/1"),
        ("", "2"),
        ("", "/3"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/bucket/{}{query}", n + 1);
        rename(&rack, &target, source, &[]).await.succeeds();
        is_gone(&rack, &format!("/bucket/{n}")).await;
    }
    let host = Ask::new("PUT", "/5?renameObject")
        .host("bucket.s3.example.org")
        .header("x-amz-rename-source", "4");
    rack.ask(host).await.succeeds();
    assert_eq!(rack.get("/bucket/5").await.text(), "hello");
    let presigned = Ask::new("PUT", "/bucket/6?renameObject")
        .header("x-amz-rename-source", "5")
        .presigned(&rack.key, std::time::Duration::from_mins(1));
    rack.send(presigned).await.succeeds();
    assert_eq!(rack.get("/bucket/6").await.text(), "hello");
}

#[tokio::test]
async fn what_is_no_rename_changes_nothing() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"hello").await.succeeds();
    rack.put("/other/a", b"other").await.succeeds();
    let target = "/bucket/b?renameObject";
    for (source, status, code) in [
        ("bucket/never", 404, "NoSuchKey"),
        // A source is in the bucket of the request, whatever it is called.
        ("other/a", 404, "NoSuchKey"),
        ("/other/a", 404, "NoSuchKey"),
        ("bucket/", 400, "InvalidArgument"),
        ("%FF", 400, "InvalidArgument"),
    ] {
        let refused = rename(&rack, target, source, &[]).await;
        refused.refuses(status, code);
    }
    let elsewhere = rename(&rack, target, "other/a", &[]).await;
    assert!(elsewhere.text().contains("within its bucket"));
    let bodied = with_source("/bucket/b", "a", &[]).body("bytes");
    rack.ask(bodied).await.refuses(400, "InvalidRequest");
    let unnamed = Ask::new("PUT", target);
    rack.ask(unnamed).await.refuses(400, "InvalidArgument");
    let copied = [("x-amz-copy-source", "bucket/a")];
    let both = rename(&rack, target, "a", &copied).await;
    both.refuses(501, "NotImplemented");
    let nowhere = rename(&rack, "/nowhere/b?renameObject", "a", &[]).await;
    nowhere.refuses(404, "NoSuchBucket");
    let owner = [("x-amz-expected-bucket-owner", "0123")];
    rename(&rack, target, "a", &owner)
        .await
        .refuses(403, "AccessDenied");
    is_gone(&rack, "/bucket/b").await;
    assert_eq!(rack.get("/bucket/a").await.text(), "hello");
    assert_eq!(rack.get("/other/a").await.text(), "other");
    // Onto itself nothing changes, either.
    let before = rack.get("/bucket/a").await.headers["etag"].clone();
    rename(&rack, "/bucket/a?renameObject", "a", &[])
        .await
        .succeeds();
    let after = rack.get("/bucket/a").await.succeeds();
    assert_eq!(
        (after.text().as_str(), &after.headers["etag"]),
        ("hello", &before)
    );
}

#[tokio::test]
async fn conditions_are_about_source_and_destination() {
    let rack = Rack::new().await;
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (name, value, holds) in [
        ("x-amz-rename-source-if-match", "ETAG", true),
        ("x-amz-rename-source-if-match", "\"other\"", false),
        ("x-amz-rename-source-if-none-match", "ETAG", false),
        ("x-amz-rename-source-if-none-match", "\"other\"", true),
        ("x-amz-rename-source-if-modified-since", past, true),
        ("x-amz-rename-source-if-unmodified-since", past, false),
        ("if-match", "OLD", true),
        ("if-match", "\"other\"", false),
        ("if-none-match", "*", false),
        ("if-none-match", "\"other\"", true),
        ("if-modified-since", past, true),
        ("if-unmodified-since", past, false),
    ] {
        let etag = rack.put("/bucket/a", b"hello").await.headers["etag"].clone();
        let old = rack.put("/bucket/b", b"old").await.headers["etag"].clone();
        let value = value.replace("ETAG", etag.to_str().unwrap());
        let value = value.replace("OLD", old.to_str().unwrap());
        let renamed = rename(&rack, "/bucket/b", "a", &[(name, &value)]).await;
        if holds {
            renamed.succeeds();
            is_gone(&rack, "/bucket/a").await;
            assert_eq!(rack.get("/bucket/b").await.text(), "hello");
        } else {
            let refused = renamed.refuses(412, "PreconditionFailed");
            let named = refused.element("Condition").unwrap().to_ascii_lowercase();
            assert_eq!(named, name);
            assert_eq!(rack.get("/bucket/b").await.text(), "old");
        }
    }
    rack.put("/bucket/a", b"hello").await.succeeds();
    let missing = rename(&rack, "/bucket/never", "a", &[("if-match", "*")]).await;
    missing.refuses(412, "PreconditionFailed");
    rename(&rack, "/bucket/new", "a", &[("if-none-match", "*")])
        .await
        .succeeds();
}

#[tokio::test]
async fn a_request_that_is_repeated_under_its_token_succeeds_again() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"hello").await.succeeds();
    let token = [("x-amz-client-token", "e6f0ae5a-3b8a-4d0a-9f3e-6f0b7d8a9c10")];
    let first = rename(&rack, "/bucket/b?renameObject", "bucket/a", &token).await;
    first.succeeds();
    // As a client does that lost the answer: its source is gone.
    let again = rename(&rack, "/bucket/b?renameObject", "a", &token).await;
    again.succeeds();
    is_gone(&rack, "/bucket/a").await;
    for (target, source) in [("/bucket/c", "b"), ("/bucket/b", "c")] {
        let other = rename(&rack, target, source, &token).await;
        other.refuses(400, "IdempotencyParameterMismatch");
    }
    let absent = [token[0], ("if-none-match", "*")];
    let other = rename(&rack, "/bucket/b", "a", &absent).await;
    other.refuses(400, "IdempotencyParameterMismatch");
    // Somebody put another object there: it stays.
    rack.put("/bucket/a", b"new").await.succeeds();
    rename(&rack, "/bucket/b", "a", &token).await.succeeds();
    assert_eq!(rack.get("/bucket/a").await.text(), "new");
    assert_eq!(rack.get("/bucket/b").await.text(), "hello");
    let fresh = [("x-amz-client-token", "another")];
    rename(&rack, "/bucket/c", "b", &fresh).await.succeeds();
    let long = "t".repeat(65);
    for malformed in ["a b", &long] {
        let headers = [("x-amz-client-token", malformed)];
        let refused = rename(&rack, "/bucket/d", "a", &headers).await;
        refused.refuses(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn nobody_renames_what_they_may_not() {
    let rack = Rack::new().await;
    rack.put("/bucket/secret", b"x").await.succeeds();
    let ask = |target, source| with_source(target, source, &[]);
    for request in [
        ask("/bucket/b", "secret").signed(&rack.foreign),
        ask("/bucket/b", "never").signed(&rack.foreign),
        ask("/other/b", "bucket/secret").signed(&rack.narrow),
        ask("/bucket/b", "secret").signed(&rack.reading),
        ask("/bucket/b", "secret").plain(),
        ask("/bucket/b", "never").plain(),
    ] {
        rack.send(request).await.refuses(403, "AccessDenied");
    }
    let into_own = ask("/foreign/b", "bucket/secret").signed(&rack.foreign);
    rack.send(into_own).await.refuses(404, "NoSuchKey");
    assert_eq!(rack.get("/bucket/secret").await.text(), "x");
    is_gone(&rack, "/bucket/b").await;
    let narrow = ask("/bucket/b", "secret").signed(&rack.narrow);
    rack.send(narrow).await.succeeds();
}

#[tokio::test]
async fn a_policy_decides_on_both_keys() {
    let rack = Rack::new().await;
    let statement = |action: &str, key: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"theirs"}},"Action":"s3:{action}",
                "Resource":"arn:aws:s3:::bucket/{key}"}}"#
        )
    };
    let needed = [
        ("PutObject", "to"),
        ("GetObject", "from"),
        ("DeleteObject", "from"),
    ];
    for left_out in 0..=needed.len() {
        rack.put("/bucket/from", b"x").await.succeeds();
        let granted = needed.iter().enumerate().filter(|(n, _)| *n != left_out);
        let granted = granted.map(|(_, (action, key))| statement(action, key));
        let statements = granted.collect::<Vec<_>>().join(",");
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let set = Ask::new("PUT", "/bucket?policy").body(policy);
        rack.ask(set).await.succeeds();
        let renamed = with_source("/bucket/to", "from", &[]).signed(&rack.foreign);
        let renamed = rack.send(renamed).await;
        if left_out < needed.len() {
            renamed.refuses(403, "AccessDenied");
        } else {
            renamed.succeeds();
        }
    }
    assert_eq!(rack.get("/bucket/to").await.text(), "x");
    // Who may not list is told of a lost answer all the same.
    let token = [("x-amz-client-token", "t")];
    rack.put("/bucket/from", b"y").await.succeeds();
    for _ in 0..2 {
        let renamed = with_source("/bucket/to", "from", &token).signed(&rack.foreign);
        rack.send(renamed).await.succeeds();
    }
    let ours = rename(&rack, "/bucket/to", "from", &token).await;
    ours.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_form_renames_nothing() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"hello").await.succeeds();
    let grant = Ask::new("PUT", "/bucket?acl").header("x-amz-acl", "public-read-write");
    rack.ask(grant).await.succeeds();
    let body = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nb\r\n--x\r\n\
                Content-Disposition: form-data; name=\"x-amz-rename-source\"\r\n\r\na\r\n--x\r\n\
                Content-Disposition: form-data; name=\"file\"\r\n\r\nbytes\r\n--x--\r\n";
    let form = Ask::new("POST", "/bucket")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(body);
    rack.send(form.plain()).await.refuses(501, "NotImplemented");
    is_gone(&rack, "/bucket/b").await;
    assert_eq!(rack.get("/bucket/a").await.text(), "hello");
}
