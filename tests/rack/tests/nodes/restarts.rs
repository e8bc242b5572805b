//! Nodes that are stopped and started orderly, one after the other.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::client::Client;
use crate::load::Load;
use crate::objects::Bucket;
use crate::site::{Site, site, until};

/// Debian's, which has boto3 as a package.
const PYTHON: &str = "/usr/bin/python3";

/// Restarts every node, each once the one before is whole again.
fn roll(site: &mut Site, bucket: &Bucket, mut until_used: impl FnMut()) {
    for index in site.rack.indices() {
        site.rack.stop(index).expect("a node stops well");
        site.rack.start(index).expect("a node starts again");
        until_used();
        site.until_in_sync(bucket);
    }
}

#[test]
fn a_rolling_restart_costs_clients_no_error() {
    let mut site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("rolling")));
    let load = Load::start("during", &client, &bucket);
    roll(&mut site, &bucket, || {
        let before = bucket.count();
        until("writers that go on", || Ok(bucket.count() > before + 4));
    });
    load.stop();
    bucket.check(&client);
}

#[test]
fn a_rolling_restart_costs_boto3_no_error() {
    let mut site = site();
    let (client, bucket) = (site.client(), site.bucket("rolling-boto3"));
    let writers: Vec<_> = (0..3)
        .map(|node| {
            boto3(
                &client.of_node(node),
                &format!("writer-{node}"),
                bucket.name(),
            )
        })
        .collect();
    bucket.put(&client, "before", 1_000).expect("put");
    roll(&mut site, &bucket, || {});
    for mut writer in writers {
        drop(writer.stdin.take());
        let output = writer
            .wait_with_output()
            .expect("a child can be waited for");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let count: u64 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a count");
        assert!(count > 10, "it put only {count} objects");
    }
    bucket.check(&client);
}

fn boto3(client: &Client, name: &str, bucket: &str) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/writer.py");
    let mut command = Command::new(PYTHON);
    command.arg(script).args([name, bucket]);
    command.envs(client.variables());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("Python can be started")
}

#[test]
fn a_node_that_is_drained_gives_its_buckets_away_without_an_error() {
    let site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("drained")));
    bucket.put(&client, "before", 500_000).expect("put");
    let load = Load::start("beside", &client, &bucket);
    let owner = site.owner(&bucket);
    let (name, other) = (site.rack.node(owner).name(), site.others(owner)[0]);
    let drain = ["node", "drain", &name];
    site.rack.ask(other, &drain).expect("an order");
    until("another node serves the bucket", || {
        client.get(&bucket.path("before"))?;
        Ok(site.owner(&bucket) != owner)
    });
    // Each of three nodes has a replica of everything: there is no other place for this one's.
    until("it waits for room", || {
        let nodes = site.rack.ask(other, &["node", "list"])?;
        let drained = &nodes[usize::from(owner.0) - 1]["drain"];
        Ok(drained["state"] == "waiting_for_room")
    });
    let cancel = ["node", "drain", &name, "--cancel"];
    site.rack.ask(other, &cancel).expect("an order");
    load.stop();
    bucket.check(&client);
}
