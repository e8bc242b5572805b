//! Copies between buckets of different nodes.

use s3d_accounts::{KeyGrant, Scope};

use crate::ask::{Ask, send};
use crate::forwarding::numbers;
use crate::rig::Rig;

#[tokio::test]
async fn an_object_is_copied_from_a_bucket_of_another_node() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.bucket(1, "second").await;
    let body = numbers(800_000);
    let put = Ask::new("PUT", "/first/a%2Bb%20c").header("x-amz-meta-color", "red");
    rig.ask(0, put.body(body.clone())).await.succeeds();
    for node in [0, 1] {
        let target = format!("/second/copy-{node}");
        let copy = Ask::new("PUT", &target).header("x-amz-copy-source", "/first/a%2Bb%20c");
        let copied = rig.ask(node, copy).await.succeeds();
        assert!(copied.text().contains("<ETag>"), "{}", copied.text());
        let got = rig.ask(node, Ask::new("GET", &target)).await.succeeds();
        assert_eq!(
            (got.body, &got.headers["x-amz-meta-color"]),
            (body.clone(), &"red".parse().unwrap())
        );
    }
    let missing = Ask::new("PUT", "/second/c").header("x-amz-copy-source", "/first/missing");
    rig.ask(1, missing).await.refuses(404, "NoSuchKey");
    let unmet = Ask::new("PUT", "/second/c")
        .header("x-amz-copy-source", "/first/a%2Bb%20c")
        .header("x-amz-copy-source-if-match", "\"other\"");
    rig.ask(1, unmet).await.refuses(412, "PreconditionFailed");
}

#[tokio::test]
async fn a_range_of_it_becomes_a_part() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.bucket(1, "second").await;
    let put = Ask::new("PUT", "/first/a").body(numbers(4));
    rig.ask(0, put).await.succeeds();
    let begun = rig
        .ask(0, Ask::new("POST", "/second/b?uploads"))
        .await
        .succeeds();
    let text = begun.text();
    let (_, id) = text.split_once("<UploadId>").unwrap();
    let id = id.split('<').next().unwrap();
    let part = format!("/second/b?partNumber=1&uploadId={id}");
    let copy = Ask::new("PUT", &part)
        .header("x-amz-copy-source", "first/a")
        .header("x-amz-copy-source-range", "bytes=4-11");
    let copied = rig.ask(0, copy).await.succeeds().text();
    let (_, etag) = copied.split_once("<ETag>").unwrap();
    let etag = etag.split('<').next().unwrap();
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let target = format!("/second/b?uploadId={id}");
    rig.ask(1, Ask::new("POST", &target).body(complete))
        .await
        .succeeds();
    let got = rig.ask(0, Ask::new("GET", "/second/b")).await.succeeds();
    assert_eq!(got.body, numbers(4).slice(4..12));
}

#[tokio::test]
async fn who_may_not_read_the_source_copies_nothing() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    let second = rig.bucket(1, "second").await;
    rig.ask(0, Ask::new("PUT", "/first/a").body("1"))
        .await
        .succeeds();
    let grant = KeyGrant::new(rig.home.clone(), Scope::Bucket(second.name.clone()));
    let narrow = rig.nodes[1].accounts.create_key(grant, None).await.unwrap();
    let copy = Ask::new("PUT", "/second/a").header("x-amz-copy-source", "first/a");
    let refused = send(rig.nodes[1].s3, copy.signed(&narrow)).await;
    refused.refuses(403, "AccessDenied");
}
