//! Uses the AWS SDK for Rust on a bucket. Settings come from the AWS_* environment.

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
};

const BUCKET: &str = "rust-sdk";
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let settings = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let settings = aws_sdk_s3::config::Builder::from(&settings).force_path_style(true);
    let client = Client::from_conf(settings.build());
    client.create_bucket().bucket(BUCKET).send().await?;
    small(&client).await?;
    large(&client).await?;
    delete(&client).await
}

async fn small(client: &Client) -> Result<()> {
    let put = client.put_object().bucket(BUCKET).key("small").metadata("colour", "green");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    put.body(ByteStream::from_static(b"small")).send().await?;
    let got = client.get_object().bucket(BUCKET).key("small").send().await?;
    assert_eq!(got.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("green"));
    assert_eq!(&got.body.collect().await?.into_bytes()[..], b"small");
    let source = format!("{BUCKET}/small");
    client.copy_object().bucket(BUCKET).key("copy").copy_source(source).send().await?;
    let absent = client.get_object().bucket(BUCKET).key("absent").send().await;
    assert!(absent.is_err_and(|error| matches!(error, SdkError::ServiceError(error) if error.err().is_no_such_key())));
    Ok(())
}

async fn large(client: &Client) -> Result<()> {
    let part = vec![7; 5 << 20];
    let created = client.create_multipart_upload().bucket(BUCKET).key("large").send().await?;
    let upload = created.upload_id().ok_or("no upload id")?;
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1..=2 {
        let stored = client.upload_part().bucket(BUCKET).key("large").upload_id(upload).part_number(number);
        let stored = stored.body(part.clone().into()).send().await?;
        let etag = stored.e_tag().ok_or("no ETag")?;
        let completed = CompletedPart::builder().part_number(number).e_tag(etag);
        parts = parts.parts(completed.set_checksum_crc32(stored.checksum_crc32).build());
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("large").upload_id(upload);
    complete.multipart_upload(parts.build()).send().await?;
    let got = client.get_object().bucket(BUCKET).key("large").send().await?;
    assert_eq!(got.body.collect().await?.into_bytes(), [&part[..], &part].concat());
    Ok(())
}

async fn delete(client: &Client) -> Result<()> {
    let mut keys = Vec::new();
    let mut pages = client.list_objects_v2().bucket(BUCKET).max_keys(2).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page?.contents() {
            keys.push(ObjectIdentifier::builder().key(object.key().ok_or("no key")?).build()?);
        }
    }
    assert_eq!(keys.len(), 3);
    let list = Delete::builder().set_objects(Some(keys)).build()?;
    let deleted = client.delete_objects().bucket(BUCKET).delete(list).send().await?;
    assert!(deleted.errors().is_empty());
    client.delete_bucket().bucket(BUCKET).send().await?;
    Ok(())
}
