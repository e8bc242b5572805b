//! The whole rack: what `rack` writes is run, with the real daemons on every node, and used from the world as a customer
//! uses it. Nobody does anything by hand on the way.

mod customer;
mod long;
mod nodes;
mod operator;
mod outside;
mod short;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hayrack_rack::network::{Machine, NodeIndex};
use hayrack_rack::rack::Rack;

use crate::receivers::binaries;
use crate::site::{NODES, RENTED, Site, until};
use customer::Customer;
use operator::Operator;

/// A rack that serves, and somebody who has a bucket there.
struct Whole {
    // Dropped first: its daemons run on the site's machines.
    rack: Rack,
    site: Site,
    operator: Operator,
    customer: Customer,
    /// From the first command of the operator's to the customer's first object.
    took: Duration,
}

impl Whole {
    fn start() -> anyhow::Result<Self> {
        let begun = Instant::now();
        let operator = Operator::begin()?;
        let rented_key = operator.rented_key.clone();
        let mut site = Site::of(operator.described()?, operator.router()?, rented_key)?;
        site.lease_addresses()?;
        site.start_rented()?;
        site.start_authority()?;
        for node in NODES {
            site.start_ssh(node)?;
        }
        // Without a certificate s3d does not start.
        site.renew()?;
        let mut rack = rack(&site)?;
        rack.found()?;
        site.start_haproxy()?;
        let customer = customer(&site)?;
        customer.use_bucket(&site)?;
        Ok(Self {
            rack,
            site,
            operator,
            customer,
            took: begun.elapsed(),
        })
    }

    /// The node that serves the customer's bucket.
    fn owner(&self) -> anyhow::Result<NodeIndex> {
        let show = ["volume", "show", &self.customer.volume];
        let volume = self.rack.ask(NodeIndex(1), &show)?;
        let number = volume["node"]
            .as_u64()
            .context("nobody serves the bucket")?;
        let nodes = self.rack.ask(NodeIndex(1), &["node", "list"])?;
        let mut nodes = nodes.as_array().into_iter().flatten();
        let serving = nodes.find(|node| node["number"] == number);
        let name = serving.and_then(|node| node["name"].as_str());
        let index = name.and_then(|name| name.strip_prefix("node-")?.parse().ok());
        index
            .map(NodeIndex)
            .context("the node that serves it is in no list")
    }
}

/// The nodes' daemons, none of which runs yet, as the router wants them to listen.
fn rack(site: &Site) -> anyhow::Result<Rack> {
    let machine = |node: &rack_model::Node| Machine {
        namespace: site.machines.namespace(node.name.as_str()),
        address: node.address,
    };
    let machines = site.rack.nodes.iter().map(machine).collect();
    let (name, folder) = (site.machines.name(), site.machines.folder());
    let listening = openwrt::s3d_settings(&site.rack);
    Rack::of_machines(name, folder, &binaries()?, machines, &listening)
}

/// A customer, once the certificates for their namespace are served.
fn customer(site: &Site) -> anyhow::Result<Customer> {
    until("the rack is served to the world", || {
        site.ask_trusting("world", "s3-api.example.org", RENTED)
            .is_ok()
    })?;
    let customer = Customer::sign_up(site)?;
    site.pass_a_minute()?;
    let host = customer.host();
    let is_certified = |node: &rack_model::Node| {
        let address = node.address.to_string();
        site.ask_trusting("guest", host, &address).is_ok()
    };
    until("every node has the namespace's certificate", || {
        site.rack.nodes.iter().all(is_certified)
    })?;
    Ok(customer)
}
