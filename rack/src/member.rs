//! A node that answers as one of the cluster, and lets others in or out.

use rack_model::Node;
use volumed_client::admin::NodeInfo;

use crate::machine::Machine;
use crate::reach::Reach;

/// The first of these nodes that answers, with the members that it sees; else what the last one said.
pub fn first<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    reach: &'a dyn Reach,
) -> Result<(Machine<'a>, Vec<NodeInfo>), String> {
    let mut why = "there is none in rack.toml".to_owned();
    for node in nodes {
        let machine = Machine::new(node, reach);
        match machine.nodes() {
            Ok(members) => return Ok((machine, members)),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
