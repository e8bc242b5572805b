//! How full a bucket is.

use super::rack::{Ask, Rack};

#[tokio::test]
async fn a_bucket_says_how_full_it_is_to_those_who_may_list_it() {
    let rack = Rack::new().await;
    rack.put("/bucket/a", b"hello").await.succeeds();
    let space = || Ask::new("GET", "/bucket?space");
    let answer = rack.ask(space()).await.succeeds();
    let number = |name: &str| answer.element(name).unwrap().parse::<u64>().unwrap();
    assert_eq!((number("Objects"), number("UsedBytes")), (1, 5));
    assert_eq!(number("FreeBytes"), 1 << 40);
    rack.send(space().signed(&rack.reading)).await.succeeds();
    rack.send(space().signed(&rack.narrow)).await.succeeds();
    for request in [space().plain(), space().signed(&rack.foreign)] {
        rack.send(request).await.refuses(403, "AccessDenied");
    }
    // Of an object it is a parameter without a meaning.
    assert_eq!(rack.get("/bucket/a?space").await.succeeds().text(), "hello");
}
