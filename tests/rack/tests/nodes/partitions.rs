//! Owners that are cut off, and owners that hang, for longer than their leases last; then they go on as if nothing had
//! been.

use std::sync::Arc;
use std::thread;

use hayrack_rack::network::NodeIndex;

use crate::faults::{Fault, LONG};
use crate::load::Load;
use crate::site::{Site, site};

/// Has a fault happen to the owner of a bucket under load. Meanwhile `serving` of it serve the bucket.
fn through(name: &str, fault: Fault, serving: impl FnOnce(&Site, NodeIndex) -> Vec<NodeIndex>) {
    let mut site = site();
    if fault.is_cut() && !site.can_cut() {
        return;
    }
    let (client, bucket) = (site.client(), Arc::new(site.bucket(name)));
    bucket.put(&client, "before", 500_000).expect("put");
    let load = Load::start("beside", &client, &bucket);
    let owner = site.owner(&bucket);
    let serving = serving(&site, owner);
    fault.begin(&mut site, owner);
    thread::sleep(LONG);
    if !serving.is_empty() {
        let meanwhile = client.of_nodes(&serving);
        bucket.put(&meanwhile, "meanwhile", 500_000).expect("put");
        bucket.check(&meanwhile);
    }
    site.rack.heal(owner).expect("it is healed");
    // At once, by the node that may still think that it owns the bucket.
    let own = client.of_nodes(&[owner]);
    bucket.check(&own);
    load.stop();
    site.make_well();
    site.until_in_sync(&bucket);
    bucket.check(&own);
}

#[test]
fn an_owner_that_hung_serves_nothing_stale() {
    through("hung", Fault::Hung, Site::others);
}

#[test]
fn a_volume_daemon_that_hung_acknowledges_nothing_for_the_new_owner() {
    // Its s3d lives, and answers nobody for good.
    through("half-hung", Fault::VolumedHung, Site::others);
}

/// Its volumed lives, so the node's lease stands throughout, and what it is asked is in its memory.
#[test]
fn an_s3d_that_hung_serves_nothing_stale() {
    let mut site = site();
    let (client, bucket) = (site.client(), site.bucket("s3d-hung"));
    bucket.put(&client, "before", 1_000).expect("put");
    let owner = site.owner(&bucket);
    let (own, path) = (client.of_nodes(&[owner]), bucket.path("meanwhile"));
    // Until it has nothing to do by itself.
    thread::sleep(LONG);
    assert!(own.get(&path).expect("an answer").is_none());
    Fault::S3dHung.begin(&mut site, owner);
    thread::sleep(LONG);
    let others = client.of_nodes(&site.others(owner));
    bucket.put(&others, "meanwhile", 1_000).expect("put");
    site.rack.heal(owner).expect("it is healed");
    let read = own.get(&path).expect("an answer");
    assert!(read.is_some(), "what was acknowledged is missing");
    bucket.check(&own);
}

#[test]
fn an_owner_without_the_store_harms_nothing() {
    through("no-store", Fault::CutOffFromStore, Site::others);
}

#[test]
fn an_owner_without_one_replica_goes_on() {
    through("no-replica", Fault::CutOffFromOne, |site, owner| {
        // The node that is cut off from the owner cannot forward to it, and does not take its place.
        vec![owner, site.others(owner)[1]]
    });
}

#[test]
fn an_owner_that_is_alone_is_replaced() {
    through("alone", Fault::CutOff, Site::others);
}
