//! The page of results, made anew by each run that asks for it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::plan::Extent;
use super::plot;
use super::table::{self, Row};

/// Writes `RESULTS.md` and the picture that it shows into a folder.
pub fn write(folder: &Path, rows: &[Row], extent: &Extent) -> anyhow::Result<()> {
    let page = format!(
        "# Hayrack beside its peer\n\n\
         One run on one disk: {machine}. Server and load generator share the processors. Writes are \
         durable when they are answered, on both sides. The peer is MinIO, built from its public \
         source. *Constant answers* come from a server that is built on the same HTTP and S3 \
         libraries and stores nothing: the ceiling. *Many* is {many} objects of 4 KiB whose names \
         come in no order; the object that is copied has {copied}. Memory is that of all processes \
         of a side.\n\n\
         Made by `make bench PEER=/path/to/minio`.\n\n\
         {table}\n\
         ![How many times better than the peer](results.svg)\n",
        machine = machine(),
        many = extent.many,
        copied = extent.copied,
        table = table::markdown(rows),
    );
    for (name, text) in [("RESULTS.md", page), ("results.svg", plot::draw(rows))] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// What it ran on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown model", |(_, model)| model.trim());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<_> = release.trim().splitn(3, '.').take(2).collect();
    format!("{cores} cores of {model}, Linux {}", kernel.join("."))
}
