//! `volumed meta …`: the metadata store, its copies, and one of them in its place.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use volumed_cluster::Cluster;
use volumed_core::size::display;
use volumed_daemon::StateFolder;
use volumed_node::{Loss, RestoreError, Restored, restore};

use super::answer::{client, print, print_as};
use super::cluster::quiet_log;
use super::error::CommandError;
use super::table;
use crate::cli::{MetaCommand, RestoreArgs};
use crate::cluster::restore_store;
use crate::config::Settings;

/// `volumed meta …`
pub async fn meta(command: MetaCommand) -> Result<ExitCode, CommandError> {
    match command {
        MetaCommand::Show { call } => {
            let store = client(&call).store().await?;
            print(&call, &store, || table::store(&store))
        }
        MetaCommand::Backup { file, store, call } => {
            if file.exists() {
                return Err(CommandError::BackupExists(file));
            }
            let mut progress = Progress::new("copied");
            let bytes = if let Some(store) = store {
                let store = store.file().ok_or(CommandError::BackupOfEtcd)?;
                copy(store, &file, progress)?
            } else {
                let told = |done, all| progress.show(done, all);
                client(&call).back_up_store(&file, told).await?
            };
            let answer = serde_json::json!({ "file": file, "bytes": bytes });
            print(&call, &answer, || {
                format!(
                    "The metadata store is in {} ({})",
                    file.display(),
                    display(bytes)
                )
            })
        }
        MetaCommand::Restore(arguments) => Box::pin(put_back(*arguments)).await,
    }
}

/// Without a daemon; safe beside one too.
fn copy(store: &Path, file: &Path, mut progress: Progress) -> Result<u64, CommandError> {
    let told = |done, all| progress.show(done * PAGE, all * PAGE);
    Ok(volumed_meta::copy_file(store, file, told)?.bytes)
}

/// SQLite's.
const PAGE: u64 = 4096;

async fn put_back(arguments: RestoreArgs) -> Result<ExitCode, CommandError> {
    let settings = Settings::load(&arguments.settings, arguments.config.as_deref())?;
    // As long as it is held, no daemon starts.
    let _folder = StateFolder::open(&settings.data, "volumed")?;
    if Cluster::open(&settings.data)?.is_some() {
        return Box::pin(put_back_into_cluster(&settings, &arguments)).await;
    }
    let mut progress = Progress::new("checked");
    let beside = settings.beside_store("restoring");
    let restored = restore(
        &arguments.file,
        &settings.store,
        &beside,
        settings.disk_settings(),
        arguments.accept_loss,
        move |done, all| progress.show(done * PAGE, all * PAGE),
    );
    match restored.await {
        Ok(restored) => {
            let answer = Answer::of(&restored);
            print_as(arguments.json, &answer, || {
                describe(&restored, &settings.store)
            })
        }
        Err(RestoreError::Loss(loss)) => {
            for line in table::loss(&loss) {
                writeln!(io::stderr(), "{line}")?;
            }
            Err(RestoreError::Loss(loss).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The same on a node of a cluster.
async fn put_back_into_cluster(
    settings: &Settings,
    arguments: &RestoreArgs,
) -> Result<ExitCode, CommandError> {
    let _log = quiet_log(settings)?;
    let mut progress = Progress::new("checked");
    let told = move |done, all| progress.show(done * PAGE, all * PAGE);
    let restoring = restore_store(settings, &arguments.file, arguments.accept_loss, told);
    let restored = Box::pin(restoring).await?;
    print_as(arguments.json, &Answer::of(&restored), || {
        let store = describe(&restored, &"The cluster's metadata store");
        format!(
            "{store}\nThis node keeps it alone: start volumed here, then on the others, without their folders DATA/etcd"
        )
    })
}

#[derive(Serialize)]
struct Answer<'r> {
    revision: u64,
    keys: u64,
    loss: &'r Loss,
    kept: Option<&'r Path>,
}

impl<'r> Answer<'r> {
    fn of(restored: &'r Restored) -> Self {
        Self {
            revision: restored.copied.revision,
            keys: restored.copied.keys,
            loss: &restored.loss,
            kept: restored.kept.as_deref(),
        }
    }
}

fn describe(restored: &Restored, store: &dyn std::fmt::Display) -> String {
    let Restored { copied, loss, kept } = restored;
    let (revision, keys) = (copied.revision, copied.keys);
    let mut lines = vec![format!(
        "{store} is the copy of revision {revision} with {keys} keys"
    )];
    if let Some(kept) = kept {
        lines.push(format!("What was there is kept as {}", kept.display()));
    }
    lines.extend(table::loss(loss));
    lines.join("\n")
}

/// A line on a terminal that tells how far something is.
struct Progress {
    what: &'static str,
    percent: u64,
    shown: bool,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            percent: 0,
            shown: io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, done: u64, all: u64) {
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        if self.shown && percent != self.percent {
            self.percent = percent;
            let end = if percent == 100 { "\n" } else { "" };
            // Nobody is harmed by a line that is not seen.
            let _ = write!(
                io::stderr(),
                "\r{} {percent:3} % of {}{end}",
                self.what,
                display(all)
            );
        }
    }
}
