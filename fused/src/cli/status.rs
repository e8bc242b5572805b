//! `fused status`.

use std::path::PathBuf;

use clap::Args;

use crate::attempts::seconds;
use crate::cli::mount::staging_folder;
use crate::status::{Progress, Status, sessions};

/// What `fused status` is given.
#[derive(Debug, Args)]
pub struct StatusCommand {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Where changes are staged [default: ~/.cache/hayrack/fused]
    #[arg(long, value_name = "FOLDER")]
    staging: Option<PathBuf>,
}

impl StatusCommand {
    /// Prints it.
    pub fn run(&self) -> anyhow::Result<()> {
        let found = sessions(&staging_folder(self.staging.as_ref())?)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&found)?);
            return Ok(());
        }
        if found.is_empty() {
            println!("Nothing is mounted, and nothing waits to be uploaded.");
        }
        for status in &found {
            print(status);
        }
        Ok(())
    }
}

fn print(status: &Status) {
    match &status.mounted_at {
        Some(at) => println!("{} is mounted at {}", status.source, at.display()),
        None => println!(
            "{} is not mounted; mount it, and what waits is uploaded",
            status.source
        ),
    }
    for waiting in &status.waiting {
        let upload = waiting.upload.as_ref();
        let upload = upload.map_or_else(String::new, |upload| describe(upload, seconds()));
        let size = mebibytes(waiting.size);
        println!(
            "  waits to be uploaded: {} ({size} MiB){upload}",
            waiting.key
        );
        if let Some(staged) = &waiting.staged {
            let start = match waiting.start {
                0 => String::new(),
                start => format!(", from byte {start} on"),
            };
            println!("    its changes are in {}{start}", staged.display());
        }
    }
}

/// How an upload goes, `now` being the seconds since 1970.
fn describe(upload: &Progress, now: u64) -> String {
    let ago = now.saturating_sub(upload.since);
    let mut said = Vec::new();
    if upload.running {
        let (sent, total) = (mebibytes(upload.sent), mebibytes(upload.total));
        said.push(format!("{sent} of {total} MiB sent"));
    }
    if let Some(error) = &upload.error {
        let failed = upload.attempts - u32::from(upload.running);
        let failed = match failed {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        said.push(format!("failed {failed}: {error}"));
    }
    said.push(format!("since {ago} s"));
    format!(", {}", said.join(", "))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_an_upload_goes() {
        let upload = Progress {
            running: true,
            sent: 1 << 20,
            total: 5 << 19,
            since: 100,
            attempts: 1,
            error: None,
        };
        assert_eq!(describe(&upload, 103), ", 1.0 of 2.5 MiB sent, since 3 s");
        let again = Progress {
            attempts: 3,
            error: Some("no room".into()),
            ..upload
        };
        let said = ", 1.0 of 2.5 MiB sent, failed 2 times: no room, since 3 s";
        assert_eq!(describe(&again, 103), said);
        let failed = Progress {
            running: false,
            attempts: 1,
            ..again
        };
        assert_eq!(describe(&failed, 103), ", failed once: no room, since 3 s");
    }
}
