//! The reference client: a bucket and its keys by curl, then the newest AWS SDK for JavaScript.

use std::process::Command;

use hayrack_e2e::clients::{node, run, source};
use hayrack_e2e::http::{Answer, Request, exchange};
use hayrack_e2e::rack::{Rack, Site};
use serde_json::Value;

/// Creates the bucket as the documentation does.
fn create_bucket(rack: &Rack<'_>, name: &str) -> Value {
    let token = rack.api().token.expect("signed in");
    let body = format!("{{\"name\":\"{name}\"}}");
    let printed = run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail-with-body", "-X", "POST"])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .args(["-H", "Content-Type: application/json", "-d", &body])
        .arg(format!("http://{}/buckets", rack.site.api)));
    serde_json::from_str(&printed).expect("the API answers JSON")
}

fn store(endpoint: &str, region: &str, bucket: &Value) -> String {
    let text = |field: &str| {
        bucket[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field}"))
    };
    run(Command::new(node())
        .arg(source().join("js/reference.mjs"))
        .env("ENDPOINT", endpoint)
        .env("REGION", region)
        .env("BUCKET", text("name"))
        .env("ACCESS_KEY", text("accessKeyID"))
        .env("SECRET_KEY", text("secretAccessKey")))
}

fn anonymous(rack: &Rack<'_>, host: &str, path: &str) -> Answer {
    let request = Request::new("GET", path).header("host", host);
    exchange(rack.site.s3, &request).expect("the server answers")
}

#[test]
fn an_sdk_stores_and_lists_at_the_endpoint_that_the_api_hands_out() {
    let site = Site::new();
    let rack = site.start();
    let bucket = create_bucket(&rack, "s3-test-bucket");
    let namespace = rack.var("HAYRACK_NAMESPACE");
    let host = format!("s3-test-bucket.{namespace}.s3.localhost:{}", site.s3.port());
    let endpoint = bucket["endpoint"].as_str().expect("an endpoint");
    assert!(
        endpoint.contains(&format!("s3-test-bucket.{namespace}.s3.localhost")),
        "{endpoint}"
    );
    assert!(["Provisioning", "Provisioned"].contains(&bucket["status"].as_str().unwrap_or("")));

    for region in ["us-west-2", "eu-central-1", "the-moon", "auto"] {
        let listed = store(&format!("http://{host}"), region, &bucket);
        assert_eq!(listed, "private.txt\npublic.txt\n", "signed for {region}");
    }

    let public = anonymous(&rack, &host, "/s3-test-bucket/public.txt");
    assert_eq!(
        (public.status, public.text().as_str()),
        (200, "for everyone")
    );
    assert_eq!(public.header("content-type"), Some("text/plain"));
    let private = anonymous(&rack, &host, "/s3-test-bucket/private.txt");
    assert_eq!(
        (private.status, private.code().as_str()),
        (403, "AccessDenied")
    );
}

#[test]
fn a_public_object_is_found_at_every_host_form() {
    let site = Site::new();
    let rack = site.start();
    let (s3, bucket) = (rack.s3(), rack.var("HAYRACK_BUCKET"));
    let put = Request::new("PUT", format!("/{bucket}/a/b")).header("x-amz-acl", "public-read");
    assert_eq!(s3.send(put.body("here")).status, 200);
    let (namespace, port) = (rack.var("HAYRACK_NAMESPACE"), site.s3.port());
    for (host, path) in [
        (site.s3.to_string(), format!("/{bucket}/a/b")),
        (format!("localhost:{port}"), format!("/{bucket}/a/b")),
        (format!("s3.localhost:{port}"), format!("/{bucket}/a/b")),
        (format!("{bucket}.s3.localhost:{port}"), "/a/b".to_owned()),
        (
            format!("{bucket}.{namespace}.s3.localhost:{port}"),
            format!("/{bucket}/a/b"),
        ),
        (
            format!("{bucket}.{bucket}.{namespace}.s3.localhost:{port}"),
            "/a/b".to_owned(),
        ),
    ] {
        let answer = anonymous(&rack, &host, &path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "here"),
            "{host}{path}"
        );
    }
    let host = format!("{bucket}.{namespace}.s3.localhost:{port}");
    let other = anonymous(&rack, &host, "/another-bucket/a/b");
    assert!(
        other.status >= 400,
        "another first segment must be refused: {}",
        other.status
    );
}
