//! The comparison's section of the page of results.

use std::path::Path;

use super::plan::Extent;
use super::table::{self, Row};
use crate::page::{self, Section, machine};
use crate::plot;

/// Writes `RESULTS.md` and the picture that it shows into a folder.
pub fn write(folder: &Path, rows: &[Row], extent: &Extent) -> anyhow::Result<()> {
    let text = format!(
        "\
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
    page::write(folder, Section::Servers, &text)?;
    let ratios: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.name, row.ratio()?)))
        .collect();
    let picture = plot::draw("Hayrack against its peer", &ratios);
    page::write_file(&folder.join("results.svg"), &picture)
}
