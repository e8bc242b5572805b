//! The volumes' section of the page of results.

use std::path::Path;

use super::Options;
use super::alone::Alone;
use super::table::{self, Place};
use crate::page::{self, Section, machine};
use crate::plot;

/// Writes the section and the picture that it shows into a folder.
pub fn write(
    folder: &Path,
    places: &[Place],
    alone: &Alone,
    options: &Options,
) -> anyhow::Result<()> {
    let text = format!(
        "A volume of one replica, with its checksums, and a file of the same size that nbdkit's file plugin \
         serves, each over a Unix socket of its own to the same clients: {machine}. Client and server share \
         the processors. Both have {size}, and everything was written once before it is read. fio's NBD engine \
         puts the load on one and then on the other, {seconds} s each and {rounds} times in turn; the median \
         counts. Durable writes are qemu-img's with FUA. Processor time is the server's.\n\n\
         Made by `make bench-volumes`.\n\n\
         {table}\
         {alone}\n\
         ![How many times better than nbdkit on the disk](volumes.svg)\n",
        machine = machine(),
        size = options.size,
        seconds = options.seconds,
        rounds = options.rounds,
        table = table::markdown(places),
    );
    page::write(folder, Section::Volumes, &text)?;
    let disk = places.first().map_or(&[][..], |place| &place.rows);
    let ratios: Vec<_> = disk
        .iter()
        .map(|row| (row.load.name, row.ratio()))
        .collect();
    let picture = plot::draw("A volume against nbdkit, on the disk", &ratios);
    page::write_file(&folder.join("volumes.svg"), &picture)
}
