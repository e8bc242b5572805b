//! Nodes that are stopped and started orderly, one after the other.

use std::sync::Arc;

use crate::load::Load;
use crate::site::site;

#[test]
fn a_rolling_restart_costs_clients_no_error() {
    let mut site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("rolling")));
    let load = Load::start("during", &client, &bucket);
    for index in site.rack.indices() {
        site.rack.stop(index).expect("a node stops well");
        site.rack.start(index).expect("a node starts again");
        let before = bucket.count();
        crate::site::until("writers that go on", || Ok(bucket.count() > before + 4));
        site.until_in_sync(&bucket);
    }
    load.stop();
    bucket.check(&client);
}
