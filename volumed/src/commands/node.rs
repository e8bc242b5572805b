//! `volumed node …`: the nodes of the cluster.

use std::process::ExitCode;

use volumed_client::admin::{AdminClient, DrainState, NodeInfo};

use super::answer::{client, print};
use super::error::CommandError;
use super::progress::Progress;
use super::table;
use crate::cli::NodeCommand;

/// `volumed node …`
pub async fn node(command: NodeCommand) -> Result<ExitCode, CommandError> {
    match command {
        NodeCommand::List { call } => {
            let nodes = client(&call).nodes().await?;
            print(&call, &nodes, || table::nodes(&nodes))
        }
        NodeCommand::Drain {
            name,
            cancel: true,
            call,
            ..
        } => {
            let node = client(&call).cancel_node_drain(&name).await?;
            print(&call, &node, || format!("{name} is used again"))
        }
        NodeCommand::Drain {
            name, wait, call, ..
        } => {
            let client = client(&call);
            let mut node = client.drain_node(&name).await?;
            if wait {
                node = drained(&client, node).await?;
            }
            print(&call, &node, || drain_of(&node))
        }
        NodeCommand::Remove {
            name,
            accept_loss,
            call,
        } => {
            client(&call).remove_node(&name, accept_loss).await?;
            print(&call, &serde_json::json!({}), || format!("Removed {name}"))
        }
    }
}

/// Waits until nothing is left, or nobody wants that any more; a terminal shows how far it is.
async fn drained(daemon: &AdminClient, mut node: NodeInfo) -> Result<NodeInfo, CommandError> {
    let mut progress = Progress::begin();
    while let Some(drain) = node.drain {
        progress.show(&drain_of(&node))?;
        if drain.state == DrainState::Drained {
            break;
        }
        progress.pause().await;
        let nodes = daemon.nodes().await?;
        let found = nodes.into_iter().find(|it| it.number == node.number);
        node = found.ok_or_else(|| CommandError::NodeGone(node.name.clone()))?;
    }
    progress.end()?;
    Ok(node)
}

/// How far a node is, on one line.
fn drain_of(node: &NodeInfo) -> String {
    match &node.drain {
        None => format!("{} is used", node.name),
        Some(drain) if drain.state == DrainState::Serving => {
            let count = node.served;
            format!(
                "{}: nothing is left on its disks, but it serves {count} volumes",
                node.name
            )
        }
        Some(drain) => format!("{}: {}", node.name, table::progress(drain)),
    }
}
