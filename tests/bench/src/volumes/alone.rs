//! What only Hayrack does, or what matters for it alone: coming back after a crash, and volumes that
//! nobody uses.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Options;
use super::served::{Served, Side, create_volume, io};
use crate::process::memory_of;
use crate::size::ByteSize;

/// How long volumes are left alone before memory is read.
const REST: Duration = Duration::from_secs(10);

/// What was measured.
pub struct Alone {
    dirty: ByteSize,
    /// From the start after the crash until a block was read, in seconds.
    back: f64,
    idle: u32,
    /// Memory of a daemon with so many volumes that nobody uses, in MiB.
    memory: f64,
}

impl Alone {
    /// Measures all of it in a folder on the disk.
    pub fn measure(folder: &Path, volumed: &Path, options: &Options) -> anyhow::Result<Self> {
        Ok(Self {
            dirty: options.dirty,
            back: back(&folder.join("crash"), volumed, options.dirty)?,
            idle: options.idle,
            memory: memory(&folder.join("idle"), volumed, options.idle)?,
        })
    }
}

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dirty,
            back,
            idle,
            memory,
        } = self;
        writeln!(
            f,
            "After a kill with {dirty} written and not flushed, the first block is read {back:.2} s after \
             the start. {idle} volumes that were written once and that nobody uses cost {memory:.0} MiB of \
             memory, the daemon's own included."
        )
    }
}

fn back(data: &Path, volumed: &Path, dirty: ByteSize) -> anyhow::Result<f64> {
    let served = Served::start(Side::Volumed, volumed, data, dirty)?;
    write_all(&served.uri, dirty)?;
    served.kill()?;
    let start = Instant::now();
    let served = Served::volumed(volumed, data)?;
    io(&served.uri, "read 0 4096")?;
    Ok(start.elapsed().as_secs_f64())
}

/// Writes so much and flushes nothing.
fn write_all(uri: &str, size: ByteSize) -> anyhow::Result<()> {
    let mut fio = Command::new("fio");
    fio.args(["--name=dirty", "--ioengine=nbd", "--rw=write", "--bs=1M"]);
    fio.args(["--iodepth=8", "--end_fsync=0"]);
    fio.arg(format!("--uri={uri}"));
    fio.arg(format!("--size={}", size.0));
    let output = fio.output().context("could not start fio")?;
    ensure!(output.status.success(), "fio failed");
    Ok(())
}

fn memory(data: &Path, volumed: &Path, idle: u32) -> anyhow::Result<f64> {
    std::fs::create_dir_all(data)?;
    let served = Served::volumed(volumed, data)?;
    for number in 0..idle {
        let name = format!("idle-{number}");
        create_volume(volumed, data, &name, ByteSize(1 << 30))?;
        let uri = served.uri_of(&name);
        io(&uri, "write 0 4096")?;
    }
    std::thread::sleep(REST);
    memory_of(served.pid()?, "VmRSS:")
}
