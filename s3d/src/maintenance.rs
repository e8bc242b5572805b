//! `s3d bucket …`: checking and repairing buckets while no server runs.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use s3d_accounts::random;
use s3d_bucket::{CheckReport, Problem, RebuildReport};
use s3d_buckets::{Damage, Maintenance, NodeVolumes};
use s3d_names::BucketName;
use volumed_daemon::StateFolder;

use crate::config::open_extents;
use crate::place::Place;

/// What a check that found something wrong answers.
const UNSOUND: u8 = 2;

/// Problems that are printed for people.
const PRINTED: usize = 50;

/// What to do with a bucket; s3d must be stopped, volumed must run
#[derive(Debug, Subcommand)]
pub enum BucketCommand {
    /// Check a bucket's index, references and space, without changing it; exits with 2 when something is wrong
    Check {
        /// The bucket's name
        name: String,
        /// Read every object and compare it with its checksums, too
        #[arg(long)]
        deep: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where the server's state is
        #[command(flatten)]
        place: Place,
    },
    /// Name the keys whose bytes lie where the volume is known to be damaged; exits with 2 when there are
    /// any
    Damage {
        /// The bucket's name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where the server's state is
        #[command(flatten)]
        place: Place,
    },
    /// Build a bucket's index anew from what can be read of it, the log and the objects
    Rebuild {
        /// The bucket's name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where the server's state is
        #[command(flatten)]
        place: Place,
    },
}

/// Runs a command to its end.
///
/// # Errors
/// When a server runs, or the bucket cannot be reached.
pub fn run(command: BucketCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            BucketCommand::Check {
                name,
                deep,
                json,
                place,
            } => {
                let (_lock, maintenance) = open(&place).await?;
                let name = BucketName::new(name)?;
                let (report, used) = maintenance.check(&name, deep).await?;
                print(json, &report, || describe_check(&report, used))?;
                let sound = report.is_sound();
                Ok(if sound {
                    ExitCode::SUCCESS
                } else {
                    UNSOUND.into()
                })
            }
            BucketCommand::Damage { name, json, place } => {
                let (_lock, maintenance) = open(&place).await?;
                let damage = maintenance.damage(&BucketName::new(name)?).await?;
                print(json, &damage, || describe_damage(&damage))?;
                Ok(if damage.bytes == 0 && !damage.more {
                    ExitCode::SUCCESS
                } else {
                    UNSOUND.into()
                })
            }
            BucketCommand::Rebuild { name, json, place } => {
                let (_lock, maintenance) = open(&place).await?;
                let report = maintenance.rebuild(&BucketName::new(name)?).await?;
                print(json, &report, || describe_rebuild(&report))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// Takes the server's place: as long as the lock is held, none starts.
async fn open(place: &Place) -> anyhow::Result<(StateFolder, Maintenance)> {
    let settings = place.settings()?;
    let lock = StateFolder::open(&settings.data, "s3d")
        .context("a bucket can be checked and rebuilt while s3d is stopped")?;
    let store = volumed_meta::open(&settings.store).await?;
    let process = format!("s3d-bucket-{:032x}", random::id());
    let volumes = NodeVolumes::new(settings.volumed, process, open_extents())?;
    Ok((lock, Maintenance::new(store, volumes)))
}

fn print(
    json: bool,
    report: &impl serde::Serialize,
    describe: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    use std::io::Write as _;
    let text = if json {
        serde_json::to_string_pretty(report)?
    } else {
        describe()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

fn describe_check(report: &CheckReport, used: u64) -> String {
    let mut lines = vec![
        format!(
            "objects     {:>12}  {} bytes",
            report.objects, report.object_bytes
        ),
        format!("uploads     {:>12}", report.uploads),
        format!(
            "parts       {:>12}  {} bytes",
            report.parts, report.part_bytes
        ),
        format!(
            "spans       {:>12}  {} bytes in blocks of {}",
            report.spans, report.span_bytes, report.block_bytes
        ),
        format!("freed spans {:>12}", report.freed_spans),
        format!("index       {:>12}  bytes long", report.index_length),
        format!("volume      {used:>12}  bytes held in the pool"),
        format!(
            "log         {:>12}  groups that the index does not hold yet",
            report.replayed_groups
        ),
    ];
    if report.bytes_read > 0 {
        lines.push(format!("read        {:>12}  bytes", report.bytes_read));
    }
    lines.extend(report.problems.iter().take(PRINTED).map(describe));
    let left = report.problems.len().saturating_sub(PRINTED) as u64 + report.more_problems;
    if left > 0 {
        lines.push(format!(
            "and {left} more problems; --json names up to 1,000"
        ));
    }
    lines.push(if report.is_sound() {
        "nothing is wrong".to_owned()
    } else {
        "if the index is damaged: s3d bucket rebuild NAME".to_owned()
    });
    lines.join("\n")
}

fn describe(problem: &Problem) -> String {
    let key = problem.key.as_ref().map(|key| format!("{key:?}: "));
    format!("problem: {}{}", key.unwrap_or_default(), problem.what)
}

fn describe_damage(damage: &Damage) -> String {
    if damage.bytes == 0 && !damage.more {
        return "nothing of the volume is known to be damaged".to_owned();
    }
    let mut lines = vec![format!(
        "damaged     {:>12}  bytes of the volume",
        damage.bytes
    )];
    lines.extend(damage.problems.iter().map(describe));
    if damage.more {
        lines.push("there is more than volumed lists: s3d bucket check NAME --deep".to_owned());
    }
    lines.push(
        "put what is named anew; if the index is damaged: s3d bucket rebuild NAME".to_owned(),
    );
    lines.join("\n")
}

fn describe_rebuild(report: &RebuildReport) -> String {
    let mut lines = vec![
        format!("rows taken over       {:>12}", report.rows),
        format!("places not readable   {:>12}", report.damaged_places),
        format!("log groups replayed   {:>12}", report.replayed_groups),
        format!("spans restored        {:>12}", report.spans_restored),
        format!("spans damaged         {:>12}", report.spans_damaged),
        format!(
            "spans without object  {:>12}  {} bytes given back",
            report.spans_orphaned, report.orphaned_bytes
        ),
    ];
    if report.damaged_places > 0 {
        let what = "objects whose rows stood in places that could not be read, and that the log does not hold, are lost";
        lines.push(what.to_owned());
    }
    lines.join("\n")
}
