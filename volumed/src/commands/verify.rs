//! `volumed volume verify …`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use volumed_client::admin::{AdminClient, DifferingRange, StartVerification, VerificationInfo};

use super::answer::{client, print};
use super::error::CommandError;
use super::progress::Progress;
use super::table;
use crate::cli::VerifyArgs;

/// Has replicas compared and waits for it; fails if some differ, or could not be compared.
pub async fn verify(args: VerifyArgs) -> Result<ExitCode, CommandError> {
    let daemon = client(&args.call);
    let names = if let Some(name) = args.name {
        vec![name]
    } else {
        let volumes = daemon.list_volumes().await?;
        volumes.into_iter().map(|volume| volume.name).collect()
    };
    if args.cancel {
        for name in &names {
            daemon.cancel_verification(name).await?;
        }
        return print(&args.call, &serde_json::json!({}), || {
            "Cancelled".to_owned()
        });
    }
    let wanted = StartVerification {
        deep: args.deep,
        repair: args.repair,
    };
    // All at once: each node does those of its own.
    for name in &names {
        daemon.verify_volume(name, wanted).await?;
    }
    let mut found = BTreeMap::new();
    for name in names {
        let ended = ended(&daemon, &name, args.patience).await?;
        found.insert(name, ended);
    }
    let printed = print(&args.call, &found, || text(&found))?;
    let well = found.values().all(VerificationInfo::is_well);
    Ok(if well { printed } else { ExitCode::FAILURE })
}

/// Waits until everything is compared, or nothing was for `patience` seconds; a terminal shows how far it is.
async fn ended(
    daemon: &AdminClient,
    name: &str,
    patience: u32,
) -> Result<VerificationInfo, CommandError> {
    let mut progress = Progress::begin();
    let (mut before, mut changed) = (None, Instant::now());
    loop {
        let now = daemon.verification(name).await?;
        if before.as_ref() != Some(&now) {
            (before, changed) = (Some(now.clone()), Instant::now());
        }
        let (compared, extents) = (now.compared, now.extents);
        progress.show(&format!("{name}: {compared} of {extents} extents"))?;
        if now.ended.is_some() {
            progress.end()?;
            return Ok(now);
        }
        if changed.elapsed() > Duration::from_secs(patience.into()) {
            progress.end()?;
            let (name, seconds) = (name.to_owned(), patience);
            return Err(CommandError::NotVerified { name, seconds });
        }
        progress.pause().await;
    }
}

fn text(found: &BTreeMap<String, VerificationInfo>) -> String {
    if found.is_empty() {
        return "There are no volumes.".to_owned();
    }
    let volumes = found.iter().map(|(name, it)| {
        vec![
            name.clone(),
            it.compared.to_string(),
            it.alone.to_string(),
            it.unknown.to_string(),
            it.differing.to_string(),
            it.repaired.to_string(),
        ]
    });
    let header = [
        "VOLUME",
        "EXTENTS",
        "ALONE",
        "UNKNOWN",
        "DIFFERING",
        "REPAIRED",
    ];
    let volumes = table::columns(&header, &[1, 2, 3, 4, 5], volumes);
    let differing = found.iter().filter(|(_, it)| !it.differences.is_empty());
    let lists = differing.map(|(name, it)| format!("\n\n{name}:\n{}", ranges(&it.differences)));
    format!("{volumes}{}", lists.collect::<String>())
}

fn ranges(differences: &[DifferingRange]) -> String {
    let row = |range: &DifferingRange| {
        let what = if range.damaged { "damaged" } else { "differs" };
        vec![
            range.extent.to_string(),
            range.offset.to_string(),
            range.length.to_string(),
            what.to_owned(),
            range.disks.join(" "),
        ]
    };
    let header = ["EXTENT", "OFFSET", "BYTES", "WHAT", "DISKS"];
    table::columns(&header, &[0, 1, 2], differences.iter().map(row))
}
