//! Listings as odd clients ask for them.

use super::rack::{Ask, Rack};

#[tokio::test]
async fn an_empty_continuation_token_begins_at_the_beginning() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let page = rack.get("/bucket?list-type=2&continuation-token=").await;
    assert_eq!(page.succeeds().element("Key").as_deref(), Some("k"));
    let page = rack.get("/?continuation-token=").await.succeeds();
    assert_eq!(page.element("Name").as_deref(), Some("bucket"));
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let rack = Rack::new().await;
    let page = rack.get("/?max-buckets=1").await.succeeds();
    assert_eq!(page.element("Name").as_deref(), Some("bucket"));
    let token = page.element("ContinuationToken").unwrap();
    let next = format!("/?max-buckets=1&continuation-token={token}");
    let page = rack.get(&next).await.succeeds();
    assert_eq!(page.element("Name").as_deref(), Some("other"));
    assert_eq!(page.element("ContinuationToken"), None);
    let page = rack.get("/?prefix=o").await.succeeds();
    assert_eq!(page.element("Name").as_deref(), Some("other"));
    assert_eq!(page.element("Prefix").as_deref(), Some("o"));
    rack.get("/?max-buckets=0")
        .await
        .refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn a_prefix_that_xml_cannot_carry_lists_nothing() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    for list in ["/bucket?prefix=%01", "/bucket?list-type=2&prefix=%0A%08"] {
        let page = rack.get(list).await.succeeds();
        assert_eq!(page.element("Key"), None);
        let readable = |letter: char| !letter.is_control() || letter == '\n';
        assert!(page.text().chars().all(readable), "{}", page.text());
    }
}

#[tokio::test]
async fn a_list_of_uploads_repeats_its_markers() {
    let rack = Rack::new().await;
    rack.ask(Ask::new("POST", "/bucket/k?uploads"))
        .await
        .succeeds();
    let page = rack.get("/bucket?uploads").await.succeeds();
    assert!(page.text().contains("UploadIdMarker"), "{}", page.text());
}

const DESCRIBED: &str = "/bucket?list-type=2&metadata=true";

#[tokio::test]
async fn a_listing_can_describe_its_objects() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/a/1")
        .header("content-type", "text/plain")
        .header("cache-control", "no-store")
        .header("x-amz-meta-two-words", "<&>  \"x\"")
        .header("x-amz-meta-mode", "33188")
        .header("x-amz-meta-name", "Zoë")
        .header("x-amz-tagging", "size=small&a%2Bb=c")
        .body("hello");
    rack.ask(put).await.succeeds();
    for key in ["a/2", "b/1"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
    }
    let page = rack
        .get(&format!(
            "{DESCRIBED}&delimiter=/&prefix=a/&encoding-type=url"
        ))
        .await
        .succeeds();
    assert_eq!(page.headers["content-type"], "application/xml");
    for (name, value) in [
        ("KeyCount", "2"),
        ("IsTruncated", "false"),
        ("Key", "a/1"),
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("X-Amz-Meta-Mode", "33188"),
        ("X-Amz-Meta-Two-Words", "&lt;&amp;&gt;  &quot;x&quot;"),
        ("UserTags", "a%2Bb=c&amp;size=small"),
    ] {
        assert_eq!(
            page.element(name).as_deref(),
            Some(value),
            "{}",
            page.text()
        );
    }
    let head = rack.ask(Ask::new("HEAD", "/bucket/a/1")).await.succeeds();
    assert_eq!(
        page.element("X-Amz-Meta-Name").as_deref(),
        head.headers["x-amz-meta-name"].to_str().ok()
    );
    assert!(
        page.text().contains("binary/octet-stream"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn a_describing_listing_does_what_others_do() {
    let rack = Rack::new().await;
    for key in ["a/1", "a/2", "b/1"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
    }
    let first = rack
        .get(&format!("{DESCRIBED}&max-keys=1&delimiter=/"))
        .await;
    let first = first.succeeds();
    assert_eq!(
        first.element("CommonPrefixes").as_deref(),
        Some("<Prefix>a/</Prefix><Marker></Marker>")
    );
    assert_eq!(first.element("UserMetadata"), None);
    let marker = Ask::new("PUT", "/bucket/b/").header("x-amz-meta-mode", "16877");
    rack.ask(marker).await.succeeds();
    let folders = rack
        .get(&format!("{DESCRIBED}&delimiter=/"))
        .await
        .succeeds();
    assert_eq!(folders.text().matches("<Marker></Marker>").count(), 1);
    let marker = folders.text().split("<Marker>").nth(2).unwrap().to_owned();
    assert!(
        marker.contains("<Key>b/</Key>") && marker.contains(">16877<"),
        "{marker}"
    );
    let token = first.element("NextContinuationToken").unwrap();
    let next = rack
        .get(&format!("{DESCRIBED}&continuation-token={token}"))
        .await;
    assert_eq!(next.succeeds().element("Key").as_deref(), Some("a/1"));
    let hosted = Ask::new(
        "GET",
        "/?list-type=2&metadata=true&start-after=a/1&fetch-owner=true",
    )
    .host("bucket.s3.example.org");
    let hosted = rack.ask(hosted).await.succeeds();
    assert_eq!(hosted.element("Key").as_deref(), Some("a/2"));
    assert_eq!(hosted.element("StartAfter").as_deref(), Some("a/1"));
    assert!(hosted.element("Owner").is_some());
    for wrong in [
        "max-keys=x",
        "max-keys=-1",
        "prefix=a&prefix=b",
        "encoding-type=x",
    ] {
        let refused = rack.get(&format!("{DESCRIBED}&{wrong}")).await;
        refused.refuses(400, "InvalidArgument");
    }
    let plain = rack
        .get("/bucket?list-type=2&metadata=false")
        .await
        .succeeds();
    assert_eq!(plain.element("UserMetadata"), None);
}

/// The lines of a described listing.
async fn lines(rack: &Rack, path: &str) -> Vec<serde_json::Value> {
    let ask = Ask::new("GET", path).header("accept", "application/jsonl");
    let page = rack.ask(ask).await.succeeds();
    assert_eq!(page.headers["content-type"], "application/jsonl");
    let text = page.text();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_describing_listing_comes_in_lines_to_whoever_accepts_them() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/a%0A%22")
        .header("content-type", "text/plain")
        .header("x-amz-meta-Mode", "33188")
        .header("x-amz-tagging", "b=c")
        .body("hello");
    let etag = rack.ask(put).await.succeeds().headers["etag"].clone();
    for key in ["b/", "b/1", "c/1", "d"] {
        rack.put(&format!("/bucket/{key}"), b"").await.succeeds();
    }
    let page = lines(&rack, &format!("{DESCRIBED}&delimiter=/&max-keys=3")).await;
    let [object, marked, plain, end] = &page[..] else {
        panic!("{page:?}");
    };
    assert_eq!(object["key"], "a\n\"");
    assert_eq!(object["etag"], etag.to_str().unwrap());
    assert_eq!(object["size"], 5);
    assert_eq!(object["tags"], "b=c");
    let headers = serde_json::json!({"content-type": "text/plain", "x-amz-meta-mode": "33188"});
    assert_eq!(object["headers"], headers);
    assert_eq!(marked["prefix"], "b/");
    assert_eq!(marked["marker"]["key"], "b/");
    assert_eq!(plain, &serde_json::json!({"prefix": "c/", "marker": null}));
    let token = end["next"].as_str().unwrap();
    let path = format!("{DESCRIBED}&delimiter=/&continuation-token={token}");
    let rest = lines(&rack, &path).await;
    assert_eq!(rest[0]["key"], "d");
    assert_eq!(rest[1], serde_json::json!({"next": null}));
    let refused = Ask::new("GET", DESCRIBED).header("accept", "application/jsonl");
    let refused = refused.signed(&rack.foreign);
    rack.send(refused).await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn what_xml_cannot_name_is_not_described() {
    let rack = Rack::new().await;
    for (key, name, value) in [
        ("1", "x-amz-meta-a!b", "x"),
        ("2", "x-amz-meta-a~", "x"),
        ("3", "content-disposition", "attachment; filename=é"),
    ] {
        let path = format!("/bucket/{key}");
        let put = Ask::new("PUT", &path).header(name, value).body("x");
        rack.ask(put).await.succeeds();
    }
    let page = rack.get(DESCRIBED).await.succeeds();
    assert_eq!(page.element("KeyCount").as_deref(), Some("3"));
    assert_eq!(page.element("UserMetadata"), None, "{}", page.text());
}

#[tokio::test]
async fn only_what_may_be_read_is_described() {
    let rack = Rack::new().await;
    for key in ["open", "secret"] {
        let path = format!("/bucket/{key}");
        let put = Ask::new("PUT", &path)
            .header("x-amz-meta-word", key)
            .header("x-amz-tagging", "a=b")
            .body("x");
        rack.ask(put).await.succeeds();
    }
    let anyone = Ask::new("GET", DESCRIBED).signed(&rack.foreign);
    rack.send(anyone).await.refuses(403, "AccessDenied");
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"theirs"},"Action":"s3:ListBucket",
         "Resource":"arn:aws:s3:::bucket"},
        {"Effect":"Allow","Principal":{"AWS":"theirs"},"Action":"s3:GetObject",
         "Resource":"arn:aws:s3:::bucket/open"}]}"#;
    rack.ask(Ask::new("PUT", "/bucket?policy").body(policy))
        .await
        .succeeds();
    let theirs = Ask::new("GET", DESCRIBED).signed(&rack.foreign);
    let page = rack.send(theirs).await.succeeds();
    assert_eq!(page.element("KeyCount").as_deref(), Some("2"));
    assert_eq!(page.element("X-Amz-Meta-Word").as_deref(), Some("open"));
    assert_eq!(page.text().matches("<UserMetadata>").count(), 1);
    assert_eq!(page.element("UserTags"), None);
    let ours = rack.ask(Ask::new("GET", DESCRIBED)).await.succeeds();
    assert_eq!(ours.text().matches("<UserTags>a=b</UserTags>").count(), 2);
}
