//! Faults of all kinds, for as long as is wanted.

use std::sync::Arc;

use hayrack_e2e::random::seed;
use hayrack_rack::network::NodeIndex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::conditions::Clients;
use crate::faults::{Fault, some_time};
use crate::load::Load;
use crate::site::site;

/// How many faults.
const ROUNDS: &str = "HAYRACK_RACK_ROUNDS";

#[test]
#[ignore = "takes as long as it is told: make rack-soak"]
fn faults_of_all_kinds_lose_nothing() {
    let rounds = std::env::var(ROUNDS).map_or(10, |it| it.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(seed());
    let mut site = site();
    for round in 0..rounds {
        let (client, bucket) = (
            site.client(),
            Arc::new(site.bucket(&format!("soak-{round}"))),
        );
        let load = Load::start("load", &client, &bucket);
        let clients = Clients::start(&client, &bucket);
        let owner = site.owner(&bucket);
        let any = NodeIndex(random.random_range(1..=3));
        let node = if random.random_bool(0.7) { owner } else { any };
        print!("round {round}, owner {}: ", owner.0);
        let (fault, lasting) = (Fault::draw(&site, &mut random), some_time(&mut random));
        fault.happen(&mut site, node, lasting);
        site.until_in_sync(&bucket);
        load.stop();
        clients.check();
        bucket.check(&client);
    }
}
