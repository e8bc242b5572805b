//! A node that comes back as another one, with nothing.

use std::sync::Arc;

use crate::load::Load;
use crate::site::{site, until};

/// For so long nobody is let in after a node was removed.
const CLOSED: std::time::Duration = std::time::Duration::from_secs(90);

#[test]
#[ignore = "nobody is let in for 90 s after a node was removed: make rack-soak"]
fn a_node_that_was_wiped_joins_anew_and_gets_everything() {
    let mut site = site();
    let (client, bucket) = (site.client(), Arc::new(site.bucket("wiped")));
    for number in 0..20 {
        let length = [3_000, 5 << 20][number % 2];
        bucket
            .put(&client, &format!("before-{number}"), length)
            .expect("put");
    }
    let load = Load::start("beside", &client, &bucket);
    let wiped = site.owner(&bucket);
    site.rack.kill(wiped);
    let others = site.others(wiped);
    let name = site.rack.node(wiped).name();
    let remove = ["node", "remove", &name];
    // Once it is seen to be down: what is up is not removed while it holds something.
    until("it is removed", || {
        site.rack.ask(others[0], &remove).map(|_| true)
    });
    site.rack.wipe(wiped).expect("it does not run");
    std::thread::sleep(CLOSED);
    until("it is let in", || site.rack.join(wiped).map(|()| true));
    load.stop();
    bucket.check(&client);
    // What it lacks is copied there, so that it can do without the others.
    site.verify(&bucket);
    site.make_well();
    for other in others {
        site.rack.kill(other);
        bucket.check(&client);
        site.rack.start(other).expect("it comes back");
        site.until_in_sync(&bucket);
    }
}
