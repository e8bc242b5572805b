//! The mounts' section of the page of results.

use std::path::Path;

use super::table::{self, Column, NOT_YET};
use super::{BLOCK, Options};
use crate::page::{self, Section, machine};
use crate::plot;
use crate::size::ByteSize;

/// Writes the section and the picture that it shows into a folder.
pub fn write(folder: &Path, columns: &[Column], options: &Options) -> anyhow::Result<()> {
    let text = format!(
        "`fused` and the programs that people mount buckets with, in one run against the same Hayrack on \
         loopback: {machine}. Each has its own defaults, but rclone `--vfs-cache-mode writes` and \
         JuiceFS its metadata in SQLite on the client's disk: {versions}. The large file has {big}; \
         there are {files} small files of {block}, each of which is created, written, `fsync`ed and \
         closed. Before each measure that reads or lists, the bucket is unmounted, caches on the disk \
         are removed, the page cache is dropped (that of the server too), and the bucket is mounted \
         anew. All that is read is compared with what was written, and after the changes the large \
         file is compared once more on a new mount. Peak memory is the `VmHWM` of a mount's processes.\n\n\
         Directly after the last call of a change, an `fsync` where there is one, and before the file \
         is closed, the object is read through S3. {NOT_YET} marks figures of changes that the bucket \
         did not have then: a client that lost its disk would have lost them. JuiceFS stores pieces of \
         files under keys of its own; there the mount is killed instead, its cache is removed, and the \
         file must be there on a new mount; its names and sizes are in its metadata only. The best peer \
         of a change is the best among the durable ones. `-` is a measure that failed.\n\n\
         Made by `make bench-mounts PEERS=DIR`.\n\n\
         {table}\n\
         ![How many times better than the best peer](mounts.svg)\n",
        machine = machine(),
        versions = versions(columns),
        big = options.big,
        files = options.files,
        block = ByteSize(BLOCK as u64),
        table = table::markdown(columns),
    );
    page::write(folder, Section::Mounts, &text)?;
    let picture = plot::draw(
        "Hayrack's mount against the best other",
        &table::ratios(columns),
    );
    page::write_file(&folder.join("mounts.svg"), &picture)
}

fn versions(columns: &[Column]) -> String {
    let versions = columns
        .iter()
        .map(|it| format!("{} {}", it.peer.name(), it.version));
    versions.collect::<Vec<_>>().join(", ")
}
