//! Owners that are cut off, and owners that hang, for longer than their leases last; then they go on as if nothing had
//! been.

use std::sync::Arc;

use crate::faults::{Fault, LONG};
use crate::load::Load;
use crate::site::site;

/// Has a fault happen to the owner of a bucket under load.
fn through(name: &str, fault: Fault) {
    let mut site = site();
    if fault.is_cut() && !site.can_cut() {
        return;
    }
    let (client, bucket) = (site.client(), Arc::new(site.bucket(name)));
    bucket.put(&client, "before", 500_000).expect("put");
    let load = Load::start("beside", &client, &bucket);
    let owner = site.owner(&bucket);
    fault.begin(&mut site, owner);
    std::thread::sleep(LONG);
    let others = client.beginning_with(usize::from(owner.0));
    bucket.put(&others, "meanwhile", 500_000).expect("put");
    bucket.check(&others);
    site.rack.heal(owner).expect("it is healed");
    // At once, by the node that may still think that it owns the bucket.
    let own = client.of_node(usize::from(owner.0) - 1);
    bucket.check(&own);
    load.stop();
    site.make_well();
    site.until_in_sync(&bucket);
    bucket.check(&own);
}

#[test]
fn an_owner_that_hung_serves_nothing_stale() {
    through("hung", Fault::Hung);
}

#[test]
fn a_volume_daemon_that_hung_acknowledges_nothing_for_the_new_owner() {
    through("half-hung", Fault::VolumedHung);
}

#[test]
fn an_owner_without_the_store_harms_nothing() {
    through("no-store", Fault::CutOffFromStore);
}

#[test]
fn an_owner_without_one_replica_goes_on() {
    through("no-replica", Fault::CutOffFromOne);
}

#[test]
fn an_owner_that_is_alone_is_replaced() {
    through("alone", Fault::CutOff);
}
