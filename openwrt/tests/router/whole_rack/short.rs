//! From nothing to a customer's objects, and the loss of a node while they come.

use hayrack_rack::network::NodeIndex;

use super::Whole;
use crate::machines::can_be_made;

/// Acknowledged before and after something happens.
pub const SOME: usize = 20;

impl Whole {
    /// Kills the node that serves the customer's bucket while objects come: no request fails, nothing is missing. Answers
    /// which node that was.
    pub fn lose_a_node(&mut self) -> anyhow::Result<NodeIndex> {
        let mut load = self.customer.keep_writing(&self.site)?;
        load.until_more(SOME)?;
        let owner = self.owner()?;
        self.rack.kill(owner);
        load.until_more(SOME)?;
        let count = load.stop()?;
        println!(
            "{count} objects, none of which is missing, while node {} died",
            owner.0
        );
        Ok(owner)
    }
}

#[test]
fn a_rack_serves_the_world_while_a_node_dies() {
    if !can_be_made() {
        return;
    }
    let mut whole = Whole::start().unwrap();
    println!(
        "from `rack init` to the first object: {:.1} s",
        whole.took.as_secs_f32()
    );
    let lost = whole.lose_a_node();
    let lost = lost.unwrap_or_else(|error| panic!("{error:#}\n{}", whole.site.machines.log()));
    let others = whole.rack.indices().filter(|index| *index != lost);
    let others: Vec<_> = others
        .map(|index| whole.rack.node(index).address.to_string())
        .collect();
    whole.site.check_tcp(&others[..1]).unwrap();
    whole.site.check_udp().unwrap();
}
