//! Renaming prefixes.

use s3d_bucket::{Attributes, Body as Bytes, Condition, Key};
use s3d_buckets::Settings;

use super::*;

const PATH: &str = "/api/v1/buckets/first/rename-prefix";

async fn put(api: &Api, keys: &[&str]) {
    let record = api.buckets.find("first").await.unwrap().unwrap();
    let bucket = api.buckets.open(&record).await.unwrap();
    for key in keys {
        let (key, body) = (Key::new(*key).unwrap(), Bytes::Small("x".into()));
        let stored = bucket.put(key, Attributes::default(), body, Condition::default());
        stored.await.unwrap();
    }
}

async fn has(api: &Api, key: &str) -> bool {
    let record = api.buckets.find("first").await.unwrap().unwrap();
    let bucket = api.buckets.open(&record).await.unwrap();
    let found = bucket.find(&Key::new(key).unwrap()).await.unwrap();
    found.is_some()
}

async fn with_bucket() -> (Api, String) {
    let api = Api::new();
    let ada = api.user("ada").await;
    let made = api.post("/buckets", &ada, json!({"name": "first"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    (api, ada)
}

#[tokio::test]
async fn a_prefix_is_renamed_or_a_sentence_says_why_not() {
    let (api, ada) = with_bucket().await;
    put(&api, &["a/1", "a/2", "b/1", "c/"]).await;
    let rename = |from: &str, to: &str| api.post(PATH, &ada, json!({"from": from, "to": to}));
    let renamed = rename("a/", "x/").await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.body);
    assert_eq!(renamed.body, json!({"sequence": 5}));
    assert!(has(&api, "x/1").await && !has(&api, "a/1").await);

    let refused = rename("a/", "y/").await;
    refused.refuses(404, "NoSuchPrefix").names(&["from"]);
    let refused = rename("x/", "b/").await;
    refused.refuses(409, "PrefixNotEmpty").names(&["to"]);
    let refused = rename("x/", "x/y/").await;
    refused.refuses(400, "PrefixesOverlap").names(&["to"]);
    let refused = rename("x/", &"y".repeat(1024)).await;
    refused.refuses(400, "KeyTooLong").names(&["to"]);
    let refused = rename("x/", "c/").await;
    refused.refuses(409, "PrefixNotEmpty");
    let replacing = json!({"from": "x/", "to": "c/", "replaceMarker": true});
    let renamed = api.post(PATH, &ada, replacing).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.body);
    assert!(has(&api, "c/2").await && !has(&api, "c/").await);

    for (body, wrong) in [
        (json!({}), &["from", "to"][..]),
        (json!({"from": "", "to": "a\0b"}), &["from", "to"]),
        (json!({"from": "a", "to": "b".repeat(1025)}), &["to"]),
        (
            json!({"from": "a", "to": "b", "replaceMarker": 1}),
            &["replaceMarker"],
        ),
        (
            json!({"from": "a", "to": "b", "replace": true}),
            &["replace"],
        ),
    ] {
        let refused = api.post(PATH, &ada, body).await;
        refused.refuses(400, "InvalidFields").names(wrong);
    }
}

#[tokio::test]
async fn who_may_write_and_delete_may_rename() {
    let (api, ada) = with_bucket().await;
    put(&api, &["a/1"]).await;
    let wish = || json!({"from": "a/", "to": "b/"});
    let viewer = api.member(&ada, "ada", "bob", "viewer").await;
    let refused = api.post(PATH, &viewer, wish()).await;
    refused.refuses(403, "RoleTooLow");
    let eve = api.user("eve").await;
    let refused = api.post(PATH, &eve, wish()).await;
    refused.refuses(404, "NoSuchBucket");
    let member = api.member(&ada, "ada", "cleo", "member").await;
    let renamed = api.post(PATH, &member, wish()).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.body);
}

#[tokio::test]
async fn what_the_policy_denies_is_not_renamed() {
    let (api, ada) = with_bucket().await;
    put(&api, &["a/1", "b/1"]).await;
    let record = api.buckets.find("first").await.unwrap().unwrap();
    let policy = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",
        "Resource":"arn:aws:s3:::first/a/kept*"}}"#;
    let settings: Settings = serde_json::from_value(json!({"policy": policy})).unwrap();
    let set = api
        .buckets
        .configure(&record, |record| record.settings = settings.clone());
    set.await.unwrap();
    for (from, to) in [("a/", "x/"), ("b/", "a/kept/")] {
        let refused = api.post(PATH, &ada, json!({"from": from, "to": to})).await;
        refused.refuses(403, "AccessDenied");
    }
    let renamed = api
        .post(PATH, &ada, json!({"from": "b/", "to": "x/"}))
        .await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.body);
}
