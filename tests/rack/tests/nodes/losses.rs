//! Nodes that die, and come back with what they had, or with nothing.

use std::sync::Arc;

use crate::load::Load;
use crate::site::site;

#[test]
fn any_node_serves_any_bucket() {
    let site = site();
    let (client, bucket) = (site.client(), site.bucket("anywhere"));
    for node in 0..3 {
        let own = client.of_node(node);
        bucket
            .put(&own, &format!("small-{node}"), 1_000)
            .expect("put");
        bucket
            .put(&own, &format!("large-{node}"), 3 << 20)
            .expect("put");
    }
    for node in 0..3 {
        bucket.check(&client.of_node(node));
    }
}

#[test]
fn a_bucket_outlives_its_node() {
    let mut site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("outlives")));
    bucket.put(&client, "before", 500_000).expect("put");
    let load = Load::start("beside", &client, &bucket);
    let owner = site.owner(&bucket);
    site.rack.kill(owner);
    bucket.put(&client, "meanwhile", 500_000).expect("put");
    load.stop();
    bucket.check(&client);
    assert_ne!(site.owner(&bucket), owner);
    site.rack.start(owner).expect("the node comes back");
    site.until_in_sync(&bucket);
    bucket.check(&client);
    site.make_well();
    // What was put meanwhile is on the node that came back: it serves it without one of the others.
    let [other, _] = site.others(owner)[..] else {
        unreachable!("there are three nodes");
    };
    site.rack.kill(other);
    bucket.check(&client);
}

#[test]
fn a_rack_comes_back_after_its_power_was_gone() {
    let mut site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("power")));
    let load = Load::start("until", &client, &bucket);
    bucket.put(&client, "first", 500_000).expect("put");
    for index in site.rack.indices() {
        site.rack.kill(index);
    }
    site.rack.start_all().expect("every node comes to serve");
    load.stop();
    bucket.check(&client);
    site.until_in_sync(&bucket);
}
