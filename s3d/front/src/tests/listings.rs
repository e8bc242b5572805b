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
