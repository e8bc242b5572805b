//! What a volume costs the metadata store.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::bed::Bed;
use super::figure::Figure;

const VOLUME: &str = "wide";
const MIB: f64 = 1024.0 * 1024.0;
const EXTENT: u64 = 64 << 20;
/// The extents that are placed to see what one costs.
const PLACED: u64 = 2048;
const TEN_TEBIBYTES: u64 = 10 << 40;

/// Measures what the store holds, in a copy of it that is written to `folder`, before and after a volume with three
/// replicas is written in so many extents.
pub fn measure(bed: &Bed, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let words = ["volume", "create", VOLUME, "--size", "16TiB"];
    bed.ask(&[&words[..], &["--replicas", "3"]].concat())?;
    let before = size(bed, &folder.join("store-before"))?;
    touch_extents(&bed.uri(VOLUME))?;
    let after = size(bed, &folder.join("store-after"))?;
    // What is measured next needs the room.
    bed.ask(&["volume", "delete", VOLUME, "--yes"])?;
    let extents = TEN_TEBIBYTES / EXTENT;
    let of_all = (after - before) as f64 * (extents as f64 / PLACED as f64);
    let name = format!("a volume of 10 TiB in the store, by {PLACED} of its extents");
    Ok(vec![Figure::new(name, of_all / MIB, "MiB").at_most(4.0)])
}

fn size(bed: &Bed, copy: &Path) -> anyhow::Result<u64> {
    let path = copy.to_str().context("a path that is text")?;
    bed.ask(&["meta", "backup", path])?;
    Ok(copy.metadata()?.len())
}

fn touch_extents(uri: &str) -> anyhow::Result<()> {
    let mut qemu = Command::new("qemu-io");
    qemu.args(["-f", "raw", uri]).stdin(Stdio::piped());
    qemu.stdout(Stdio::null());
    let mut child = qemu.spawn().context("could not start qemu-io")?;
    let mut commands = child.stdin.take().context("its standard input")?;
    for extent in 0..PLACED {
        writeln!(commands, "write {} 4k", extent * EXTENT)?;
    }
    drop(commands);
    ensure!(child.wait()?.success(), "qemu-io failed");
    Ok(())
}
