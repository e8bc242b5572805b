//! `fused status`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::mount::staging_folder;
use crate::status::{Status, sessions};

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
        let size = waiting.size as f64 / f64::from(1 << 20);
        println!("  waits to be uploaded: {} ({size:.1} MiB)", waiting.key);
    }
}
