//! `volumed node …`: the nodes of the cluster.

use std::process::ExitCode;

use super::answer::{client, print};
use super::error::CommandError;
use super::table;
use crate::cli::NodeCommand;

/// `volumed node …`
pub async fn node(command: NodeCommand) -> Result<ExitCode, CommandError> {
    match command {
        NodeCommand::List { call } => {
            let nodes = client(&call).nodes().await?;
            print(&call, &nodes, || table::nodes(&nodes))
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
