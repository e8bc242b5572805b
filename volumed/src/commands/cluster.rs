//! `volumed cluster …`: a cluster of this node, or this node in one.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use volumed_client::admin::CreateJoinToken;
use volumed_cluster::Own;
use volumed_daemon::{LogSettings, Logging, StateFolder};
use volumed_node::RestoreError;

use super::answer::{client, print, print_as};
use super::error::CommandError;
use super::table;
use crate::cli::{ClusterCommand, InitArgs, JoinArgs, RecoverArgs};
use crate::cluster::{FoundingError, Recovered, RecoveringError, found, join, recover};
use crate::config::Settings;

/// `volumed cluster …`
pub async fn cluster(command: ClusterCommand) -> Result<ExitCode, CommandError> {
    match command {
        ClusterCommand::Init(arguments) => Box::pin(make(&arguments)).await,
        ClusterCommand::Join(arguments) => Box::pin(enter(&arguments)).await,
        ClusterCommand::Recover(arguments) => Box::pin(go_on_alone(&arguments)).await,
        ClusterCommand::Token { hours, call } => {
            let wanted = CreateJoinToken {
                seconds: Some(hours * 3600),
            };
            let token = client(&call).create_join_token(&wanted).await?;
            print(&call, &token, || token.token.clone())
        }
        ClusterCommand::Show { call } => {
            let cluster = client(&call).cluster().await?;
            print(&call, &cluster, || table::cluster(&cluster))
        }
    }
}

/// What a node has become.
#[derive(Serialize)]
struct Answer<'a> {
    cluster: String,
    node: String,
    number: u16,
    name: String,
    /// Where the store is kept that the node had.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a std::path::Path>,
}

impl<'a> Answer<'a> {
    fn of(own: &Own, kept: Option<&'a std::path::Path>) -> Self {
        Self {
            cluster: own.cluster.to_string(),
            node: own.node.to_string(),
            number: own.number.0,
            name: own.name.to_string(),
            kept,
        }
    }
}

async fn make(arguments: &InitArgs) -> Result<ExitCode, CommandError> {
    let settings = Settings::load(&arguments.settings, arguments.config.as_deref())?;
    let place = arguments.place.place().map_err(FoundingError::from)?;
    let _log = quiet_log(&settings)?;
    // As long as it is held, no daemon starts.
    let _folder =
        StateFolder::open(&settings.data, "volumed").map_err(CommandError::ClusterRunning)?;
    let founded = found(&settings, arguments.place.name.clone(), place).await?;
    let kept = founded.kept.as_deref();
    print_as(arguments.json, &Answer::of(&founded.own, kept), || {
        let own = &founded.own;
        let mut lines = vec![format!(
            "{} is the first node of cluster {}: start volumed, then volumed cluster token prints a token for the next",
            own.name, own.cluster
        )];
        if let Some(kept) = kept {
            lines.push(format!(
                "The metadata store of before is kept as {}",
                kept.display()
            ));
        }
        if !settings.has_usual_store() {
            lines.push("Take `store` out of the settings: the cluster has its own".to_owned());
        }
        lines.join("\n")
    })
}

async fn enter(arguments: &JoinArgs) -> Result<ExitCode, CommandError> {
    let settings = Settings::load(&arguments.settings, arguments.config.as_deref())?;
    let place = arguments.place.place().map_err(FoundingError::from)?;
    let _log = quiet_log(&settings)?;
    let _folder =
        StateFolder::open(&settings.data, "volumed").map_err(CommandError::ClusterRunning)?;
    let name = arguments.place.name.clone();
    let own = join(&settings, &arguments.token, name, place).await?;
    print_as(arguments.json, &Answer::of(&own, None), || {
        format!(
            "{} is node {} of cluster {}: start volumed",
            own.name, own.number, own.cluster
        )
    })
}

async fn go_on_alone(arguments: &RecoverArgs) -> Result<ExitCode, CommandError> {
    if !arguments.yes {
        return Err(CommandError::NotSaidToBeLost);
    }
    let settings = Settings::load(&arguments.settings, arguments.config.as_deref())?;
    let _log = quiet_log(&settings)?;
    let _folder =
        StateFolder::open(&settings.data, "volumed").map_err(CommandError::ClusterRunning)?;
    let recovered = recover(&settings, arguments.accept_loss).await;
    if let Err(RecoveringError::Disks(RestoreError::Loss(loss))) = &recovered {
        for line in table::loss(loss) {
            writeln!(io::stderr(), "{line}")?;
        }
    }
    let Recovered {
        own,
        others,
        loss,
        kept,
    } = recovered?;
    print_as(arguments.json, &Answer::of(&own, None), || {
        let others: Vec<_> = others.iter().map(ToString::to_string).collect();
        let (name, others, kept) = (&own.name, others.join(", "), kept.display());
        let mut lines = vec![format!(
            "{name} keeps the metadata store alone: start volumed. Of the other nodes ({others}), remove those that are \
             lost: volumed node remove NAME. etcd's data of before is kept as {kept}"
        )];
        lines.extend(table::loss(&loss));
        lines.join("\n")
    })
}

/// Of etcd and the rest only what is wrong.
pub(super) fn quiet_log(settings: &Settings) -> Result<Logging, CommandError> {
    let log = LogSettings {
        level: "warn,etcd=error".to_owned(),
        ..settings.log()
    };
    Ok(Logging::start(&log, "")?)
}
