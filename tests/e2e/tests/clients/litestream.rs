//! litestream: a database is replicated while it is written, and restored.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::clients::{command, newest, run, source};
use hayrack_e2e::rack::kill_process;
use nix::sys::signal::Signal;

use crate::with_rack;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn a_database_is_restored_from_its_replica() {
    with_rack(|rack| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "dbs:\n  - path: {}\n    replicas:\n      - type: s3\n        bucket: {}\n        path: lite\n        \
             endpoint: {}\n        region: us-east-1\n        force-path-style: true\n        sync-interval: 100ms\n",
            at("app.db").display(),
            rack.var("HAYRACK_BUCKET"),
            rack.var("AWS_ENDPOINT_URL"),
        );
        fs::write(at("litestream.yml"), config).expect("a file can be written");
        let litestream = |words: &[&str]| {
            let mut command = command(rack, &newest("litestream"));
            command
                .args([words[0], "-config"])
                .arg(at("litestream.yml"))
                .args(&words[1..]);
            command
        };
        let database = |words: &[&str]| {
            let mut python = command(rack, &newest("python3"));
            run(python.arg(source().join("python/database.py")).args(words))
        };
        let (app, back) = (
            at("app.db").display().to_string(),
            at("back.db").display().to_string(),
        );
        database(&["write", &app, "1000"]);
        let replicating = litestream(&["replicate"])
            .stdout(Stdio::null())
            .spawn()
            .expect("litestream can be started");
        database(&["write", &app, "1000"]);
        let listing = format!("{}?list-type=2&prefix=lite/", rack.bucket());
        until(|| rack.s3().get(&listing).text().contains("<Key>"));
        stop(replicating);
        run(&mut litestream(&["restore", "-o", &back, &app]));
        assert_eq!(database(&["count", &back]), "2000\n");
    });
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "litestream replicates nothing");
        thread::sleep(Duration::from_millis(50));
    }
}

/// It replicates what is left before it ends.
fn stop(mut litestream: Child) {
    kill_process(litestream.id(), Signal::SIGINT);
    let status = litestream.wait().expect("a child can be waited for");
    assert!(status.success(), "litestream ended with {status}");
}
