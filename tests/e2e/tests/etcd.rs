//! Both daemons with their metadata store in an etcd of three members, some of which die or hang.

use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::api::Api;
use hayrack_e2e::daemons::Daemons;
use hayrack_e2e::http::Request;
use hayrack_e2e::s3::S3;
use hayrack_etcd::Cluster;
use serde_json::json;

/// Long enough for the slowest machine; nobody waits for it unless the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// While members elect a leader, requests may be answered by 5xx, which clients repeat.
fn repeated(what: &str, send: impl Fn() -> u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = send();
        if (200..300).contains(&status) {
            return;
        }
        assert!(
            status >= 500 && Instant::now() < deadline,
            "{what}: {status}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

fn put(s3: &S3, path: &str) {
    let body = path.repeat(1_000);
    repeated(path, || {
        s3.send(Request::new("PUT", path).body(body.clone())).status
    });
}

fn check(s3: &S3, path: &str) {
    repeated(path, || {
        let answer = s3.send(Request::new("GET", path));
        assert!(answer.status != 200 || answer.body == path.repeat(1_000).into_bytes());
        answer.status
    });
}

/// The name is taken if a try was done whose answer was lost.
fn make_bucket(api: &Api, name: &str) {
    repeated(name, || {
        match api.send("POST", "/buckets", Some(json!({ "name": name }))) {
            (409, _) => 200,
            (status, _) => status,
        }
    });
}

#[test]
fn buckets_outlive_daemons_and_members() {
    let mut cluster = Cluster::start(3);
    let store = format!("etcd://{}", cluster.endpoints());
    let mut daemons = Daemons::start_with_store("10GiB", &store);
    let (api, s3) = daemons.tenant(&["first"]);
    put(&s3, "/first/a");
    daemons.restart_s3d();
    check(&s3, "/first/a");
    daemons.restart_volumed(Duration::ZERO);
    put(&s3, "/first/b");
    check(&s3, "/first/a");

    let leader = cluster.leader();
    cluster.kill(leader);
    put(&s3, "/first/c");
    make_bucket(&api, "second");
    put(&s3, "/second/a");
    cluster.spawn_again(leader);
    cluster.until_healthy(leader);
    let leader = cluster.leader();
    cluster.pause(leader);
    make_bucket(&api, "third");
    put(&s3, "/third/a");
    daemons.restart_s3d();
    for path in ["/first/a", "/first/b", "/first/c", "/second/a", "/third/a"] {
        check(&s3, path);
    }
    cluster.resume(leader);
}
