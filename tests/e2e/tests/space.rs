//! Space: returned when a bucket goes, refused with a clear code when there is none.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::api::Api;
use hayrack_e2e::binaries::binary;
use hayrack_e2e::daemons::Daemons;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;
use serde_json::json;

const OBJECT: usize = 4 << 20;

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn create(api: &Api, name: &str) {
    let (status, answer) = api.send("POST", "/buckets", Some(json!({ "name": name })));
    assert!((200..300).contains(&status), "{status} {answer}");
}

#[test]
fn deleting_a_bucket_returns_its_space() {
    let site = Site::new();
    let rack = site.start();
    let (api, s3) = (rack.api(), rack.s3());
    let volumes = || {
        let socket = site.data().join("volumed/admin.sock");
        let mut list = Command::new(binary("volumed"));
        list.args(["volume", "list", "--json", "--socket"])
            .arg(socket);
        let printed = hayrack_e2e::clients::run(&mut list);
        let volumes: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        volumes.as_array().expect("a list").len()
    };
    let (used, count) = (rack.used(), volumes());
    create(&api, "short-lived");
    for index in 0..4 {
        let path = format!("/short-lived/{index}");
        assert_eq!(s3.put(&path, content(index, OBJECT)).status, 200);
    }
    assert!(
        rack.used() >= used + 4 * OBJECT as u64,
        "objects take no space?"
    );
    assert_eq!(volumes(), count + 1);
    let refused = s3.delete("/short-lived");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "BucketNotEmpty")
    );
    let (status, answer) = api.send("DELETE", "/api/v1/buckets/short-lived?force=true", None);
    assert!((200..300).contains(&status), "{status} {answer}");
    assert_eq!(s3.get("/short-lived/0").code(), "NoSuchBucket");
    until("its volume is gone", || volumes() == count);
    until("its space is back", || rack.used() <= used + (1 << 20));
    assert!(rack.stop().success());
}

#[test]
fn deleting_objects_returns_their_space() {
    let site = Site::new();
    let rack = site.start();
    let (bucket, s3) = (rack.bucket(), rack.s3());
    let used = rack.used();
    for index in 0..4 {
        let path = format!("{bucket}/{index}");
        assert_eq!(s3.put(&path, content(index, OBJECT)).status, 200);
    }
    assert!(rack.used() >= used + 4 * OBJECT as u64);
    for index in 0..4 {
        assert_eq!(s3.delete(&format!("{bucket}/{index}")).status, 204);
    }
    until("their space is back", || rack.used() < used + OBJECT as u64);
    assert!(rack.stop().success());
}

#[test]
fn a_full_pool_refuses_writes_and_goes_on() {
    let daemons = Daemons::start("160MiB");
    let (api, s3) = daemons.tenant(&["first", "second"]);
    assert_eq!(s3.put("/second/kept", "kept").status, 200);
    let mut stored = 0;
    let refused = loop {
        let answer = s3.put(&format!("/first/{stored}"), content(stored, OBJECT));
        if answer.status != 200 {
            break answer;
        }
        stored += 1;
        assert!(stored < 100, "the pool never fills");
    };
    assert!(
        stored > 10,
        "full after {stored} objects: {}\n{}",
        refused.text(),
        daemons.log()
    );
    let code = refused.code();
    assert!(
        [503, 507].contains(&refused.status) && !code.is_empty() && code != "InternalError",
        "{} {}",
        refused.status,
        refused.text()
    );
    for index in 0..stored {
        let answer = s3.get(&format!("/first/{index}"));
        assert!(
            answer.body == content(index, OBJECT),
            "object {index} is damaged"
        );
    }
    assert_eq!(s3.get("/second/kept").text(), "kept");
    assert_eq!(s3.delete("/first/0").status, 204);
    assert_eq!(s3.get("/first/0").code(), "NoSuchKey");

    let (status, answer) = api.send("DELETE", "/api/v1/buckets/first?force=true", None);
    assert!((200..300).contains(&status), "{status} {answer}");
    until("writes work again", || {
        s3.put("/second/again", content(7, OBJECT)).status == 200
    });
    assert!(s3.get("/second/again").body == content(7, OBJECT));
}
