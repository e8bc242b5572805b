//! What an operator does to a rack while customers use it: another machine in the place of a node that died, and a new
//! version on all of them.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use hayrack_rack::network::NodeIndex;

use super::Whole;
use super::short::SOME;
use crate::machines::can_be_made;
use crate::site::{NODES, until};

const REPLACED: NodeIndex = NodeIndex(3);
const OLD_MAC: &str = "dc:a6:32:01:02:03";
const NEW_MAC: &str = "dc:a6:32:01:02:04";
const WHOLE: &str = "attic: 3 of 3 nodes up, all volumes in sync";

impl Whole {
    /// Puts another machine in the place of one that died while objects come.
    fn replace_a_node(&mut self) -> anyhow::Result<()> {
        let mut load = self.customer.keep_writing(&self.site)?;
        load.until_more(SOME)?;
        self.cut_power(REPLACED)?;
        let begun = Instant::now();
        self.operator.edit(OLD_MAC, NEW_MAC)?;
        // The others have to notice that it is gone.
        until("the node is removed", || {
            self.operator.rack(&["replace", "node-3"]).is_ok()
        })?;
        self.site.rack = self.operator.described()?;
        self.site.rendered = self.operator.router()?;
        let address = self.rack.node(REPLACED).address.to_string();
        self.site.forget_lease(&address)?;
        self.site.start_names()?;
        self.put_new_machine(REPLACED, NEW_MAC)?;
        self.introduce(REPLACED)?;
        let token = self.operator.rack(&["secrets", "get", "join-node-3"])?;
        self.rack.join_by(REPLACED, token.trim())?;
        let joined = begun.elapsed();
        self.until_whole()?;
        let in_sync = begun.elapsed();
        load.until_more(SOME)?;
        let count = load.stop()?;
        println!(
            "a node replaced: serves after {:.1} s, all volumes in sync after {:.1} s; {count} objects meanwhile",
            joined.as_secs_f32(),
            in_sync.as_secs_f32()
        );
        self.check_replicas()
    }

    /// Brings all nodes to another version while objects come.
    fn update_all(&mut self) -> anyhow::Result<()> {
        let manifest = self.make_update()?;
        let mut load = self.customer.keep_writing(&self.site)?;
        load.until_more(SOME)?;
        let begun = Instant::now();
        let said = self.run_rack(&["update", &manifest, "--patience", "120"])?;
        let took = begun.elapsed();
        ensure!(said.contains("All 3 nodes run version 2"), "{said}");
        load.until_more(SOME)?;
        let count = load.stop()?;
        println!(
            "all nodes updated in {:.1} s; {count} objects meanwhile",
            took.as_secs_f32()
        );
        Ok(())
    }

    /// Lets another operator in on all nodes while objects come.
    fn apply_a_change(&mut self) -> anyhow::Result<()> {
        self.bring_settings()?;
        let key = self.operator.add_operator("runner")?;
        let mut load = self.customer.keep_writing(&self.site)?;
        load.until_more(SOME)?;
        let begun = Instant::now();
        let said = self.run_rack(&["apply", "--patience", "120"])?;
        let took = begun.elapsed();
        ensure!(
            said.contains("All 3 nodes have the settings of rack.toml"),
            "{said}"
        );
        load.until_more(SOME)?;
        let count = load.stop()?;
        println!(
            "a change of rack.toml on all nodes in {:.1} s; {count} objects meanwhile",
            took.as_secs_f32()
        );
        for node in NODES {
            let settings = self.settings_of(node)?;
            ensure!(settings.contains(&key), "{node}: {settings}");
        }
        Ok(())
    }

    /// Brings a change with which one node's daemons do not start.
    fn apply_a_change_in_vain(&mut self) -> anyhow::Result<()> {
        self.bring_settings()?;
        let key = self.operator.add_operator("runner")?;
        let bad = self.operator.path("state").join(NODES[1]).join("bad");
        fs::write(bad, "")?;
        let mut load = self.customer.keep_writing(&self.site)?;
        load.until_more(SOME)?;
        let said = match self.run_rack(&["apply", "--patience", "120"]) {
            Ok(said) => bail!("it was brought: {said}"),
            Err(refusal) => refusal.to_string(),
        };
        load.until_more(SOME)?;
        load.stop()?;
        for part in [
            "stopped at node-2: it came back with the settings that it had before",
            "Done: node-1. Not yet: node-3.",
        ] {
            ensure!(said.contains(part), "{said}");
        }
        for (node, has_it) in NODES.into_iter().zip([true, false, false]) {
            let settings = self.settings_of(node)?;
            ensure!(settings.contains(&key) == has_it, "{node}: {settings}");
        }
        // All three serve: the one that went back, too.
        self.until_whole()
    }

    fn until_whole(&self) -> anyhow::Result<()> {
        let status = || self.operator.rack(&["status"]);
        let whole = until("the rack is whole", || {
            status().is_ok_and(|said| said.contains(WHOLE))
        });
        whole.with_context(|| {
            let said = status().unwrap_or_else(|error| format!("{error:#}"));
            let volume = ["volume", "show", &self.customer.volume];
            format!("{said}\n{:?}", self.rack.ask(NodeIndex(1), &volume))
        })
    }

    /// Has every replica compared with the others, byte by byte; none may be alone.
    fn check_replicas(&self) -> anyhow::Result<()> {
        let volume = &self.customer.volume;
        let verify = ["volume", "verify", volume, "--deep"];
        let found = self.rack.ask(NodeIndex(1), &verify)?;
        let found = found.get(volume).context("the volume is not compared")?;
        ensure!(found["compared"] != 0 && found["alone"] == 0, "{found}");
        Ok(())
    }
}

/// A rack that serves, and whose operator reaches its nodes.
fn whole() -> Whole {
    let mut whole = Whole::start().unwrap_or_else(|error| panic!("{error:#}"));
    println!(
        "from `rack init` to the first object: {:.1} s",
        whole.took.as_secs_f32()
    );
    let connected = whole.connect_operator();
    connected.unwrap_or_else(|error| panic!("{error:#}"));
    whole
}

#[test]
#[ignore = "`make rack-whole` runs it: it takes minutes"]
fn a_node_is_replaced_and_no_customer_notices() {
    if !can_be_made() {
        return;
    }
    let mut whole = whole();
    let replaced = whole.replace_a_node();
    replaced.unwrap_or_else(|error| panic!("{error:#}\n{}", whole.site.machines.log()));
}

#[test]
#[ignore = "`make rack-whole` runs it: it takes minutes"]
fn a_change_of_rack_toml_is_applied_and_no_customer_notices() {
    if !can_be_made() {
        return;
    }
    let mut whole = whole();
    let applied = whole.apply_a_change();
    applied.unwrap_or_else(|error| panic!("{error:#}\n{}", whole.site.machines.log()));
}

#[test]
#[ignore = "`make rack-whole` runs it: it takes minutes"]
fn a_change_that_a_node_goes_back_from_is_stopped_and_no_customer_notices() {
    if !can_be_made() {
        return;
    }
    let mut whole = whole();
    let applied = whole.apply_a_change_in_vain();
    applied.unwrap_or_else(|error| panic!("{error:#}\n{}", whole.site.machines.log()));
}

#[test]
#[ignore = "`make rack-whole` runs it: it takes minutes"]
fn all_nodes_are_updated_and_no_customer_notices() {
    if !can_be_made() {
        return;
    }
    let mut whole = whole();
    let updated = whole.update_all();
    updated.unwrap_or_else(|error| panic!("{error:#}\n{}", whole.site.machines.log()));
    let nodes = ["10.77.0.1", "10.77.0.11", "10.77.0.12", "10.77.0.13"].map(str::to_owned);
    whole.site.check_tcp(&nodes).unwrap();
    whole.site.check_udp().unwrap();
}
