//! Archives: what is in them, and who may have them.

use std::time::Duration;

use axum::body::to_bytes;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use s3d_bucket::{Attributes, Body as Bytes, Condition, Key};
use s3d_buckets::Settings;

use super::*;

const PATH: &str = "/api/v1/buckets/first/archive";

async fn put(api: &Api, key: &str, owner: Option<&str>) {
    let record = api.buckets.find("first").await.unwrap().unwrap();
    let bucket = api.buckets.open(&record).await.unwrap();
    let attributes = Attributes {
        owner: owner.map(str::to_owned),
        ..Attributes::default()
    };
    let (key, body) = (Key::new(key).unwrap(), Bytes::Small("hello".into()));
    let stored = bucket.put(key, attributes, body, Condition::default());
    stored.await.unwrap();
}

async fn with_objects() -> (Api, String) {
    let api = Api::new();
    let ada = api.user("ada").await;
    let made = api.post("/buckets", &ada, json!({"name": "first"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    for key in ["a/1", "a/b/2", "c"] {
        put(&api, key, None).await;
    }
    (api, ada)
}

/// The answer to a form, whose body nobody has read yet.
async fn begin(api: &Api, token: &str, form: &'static str) -> Response<Body> {
    let request = Request::post(PATH).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::from(form)).unwrap();
    api.exchange(request, [127, 0, 0, 1].into()).await
}

async fn refused(api: &Api, token: &str, form: &'static str) -> Answer {
    api.send("POST", PATH, token, form).await
}

/// The names in an archive, from its directory.
fn names(archive: &[u8]) -> Vec<String> {
    let number = |at: usize| u16::from_le_bytes([archive[at], archive[at + 1]]);
    let starts = (0..archive.len() - 46).filter(|at| archive[*at..].starts_with(b"PK\x01\x02"));
    let name = |at: usize| archive[at + 46..at + 46 + usize::from(number(at + 28))].to_vec();
    starts
        .map(|at| String::from_utf8(name(at)).unwrap())
        .collect()
}

#[tokio::test]
async fn an_archive_has_what_was_chosen() {
    let (api, ada) = with_objects().await;
    let answer = begin(&api, &ada, "prefix=a/&key=c").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/zip");
    let name = "attachment; filename*=UTF-8''first.zip";
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], name);
    let archive = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(names(&archive), ["c", "a/1", "a/b/2"]);

    let answer = begin(&api, &ada, "prefix=a/b/&root=a/").await;
    let archive = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(names(&archive), ["b/2"]);

    refused(&api, &ada, "").await.refuses(400, "InvalidForm");
    let missing = refused(&api, &ada, "key=c&key=x").await;
    missing.refuses(404, "NoSuchKey");
    let empty = refused(&api, &ada, "prefix=x/").await;
    empty.refuses(404, "NoSuchPrefix");
}

#[tokio::test]
async fn who_may_read_may_have_an_archive() {
    let (api, ada) = with_objects().await;
    let viewer = api.member(&ada, "ada", "bob", "viewer").await;
    let answer = begin(&api, &viewer, "prefix=a/").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let eve = api.user("eve").await;
    refused(&api, &eve, "prefix=a/")
        .await
        .refuses(404, "NoSuchBucket");
    refused(&api, "", "prefix=a/")
        .await
        .refuses(401, "TokenMissing");

    put(&api, "foreign/1", Some("eve")).await;
    let foreign = refused(&api, &ada, "prefix=foreign/").await;
    foreign.refuses(403, "AccessDenied");

    let record = api.buckets.find("first").await.unwrap().unwrap();
    let policy = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::first/a/b/*"}}"#;
    let settings: Settings = serde_json::from_value(json!({"policy": policy})).unwrap();
    let set = api
        .buckets
        .configure(&record, |record| record.settings = settings.clone());
    set.await.unwrap();
    for form in ["prefix=a/", "key=a/b/2"] {
        refused(&api, &ada, form).await.refuses(403, "AccessDenied");
    }
    let answer = begin(&api, &ada, "key=a/1&key=c").await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn so_many_archives_are_sent_at_once() {
    let (api, ada) = with_objects().await;
    let mut under_way = Vec::new();
    for _ in 0..4 {
        under_way.push(begin(&api, &ada, "prefix=").await);
    }
    let busy = refused(&api, &ada, "prefix=").await;
    busy.refuses(503, "Busy");
    under_way.pop();
    // Whoever sends sees that the client left with the next chunk.
    while begin(&api, &ada, "prefix=").await.status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_keeps_nobody_waiting() {
    let (api, ada) = with_objects().await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&api, &ada, "prefix=").await);
    }
    refused(&api, &ada, "prefix=").await.refuses(503, "Busy");
    tokio::time::pause();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(begin(&api, &ada, "prefix=").await.status(), StatusCode::OK);
    // What it has by then does not look whole.
    let body = stalled.remove(0).into_body();
    assert!(to_bytes(body, usize::MAX).await.is_err());
}
