//! Loads: fio through its NBD engine, and durable writes by qemu, which fio's engine has not.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Options;
use super::served::Served;
use crate::fio::Fio;

/// What a load reached.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Operations in a second, or MiB for large ones.
    pub rate: f64,
    /// Processor time of the server for each operation, in microseconds.
    pub processor: f64,
}

/// One load.
pub struct Load {
    /// As in the table.
    pub name: &'static str,
    /// Whether it can be done only once: the first time everything is new.
    pub once: bool,
    kind: Kind,
}

enum Kind {
    Fio {
        /// fio's name of the pattern.
        pattern: &'static str,
        block: u32,
        depth: u32,
        connections: u32,
    },
    /// Writes of 4 KiB with FUA.
    Durable { depth: u32 },
}

const KIB4: u32 = 4096;

/// Durable writes that show how many there can be in the time asked.
const TRIAL: u32 = 500;

const MIB: u32 = 1 << 20;

/// All of them, in the order in which they run: the first one writes everything.
pub const LOADS: [Load; 11] = [
    Load {
        once: true,
        ..sequential("first write of 1 MiB each, 8 under way", "write")
    },
    random("read 4 KiB, 1 under way", "randread", 1, 1),
    random("read 4 KiB, 32 under way", "randread", 32, 1),
    random("read 4 KiB, 4 connections of 32", "randread", 32, 4),
    random("write 4 KiB, 1 under way", "randwrite", 1, 1),
    random("write 4 KiB, 32 under way", "randwrite", 32, 1),
    random("write 4 KiB, 4 connections of 32", "randwrite", 32, 4),
    sequential("write 1 MiB each, 8 under way", "write"),
    sequential("read 1 MiB each, 8 under way", "read"),
    durable("durable write 4 KiB, 1 under way", 1),
    durable("durable write 4 KiB, 32 under way", 32),
];

const fn random(name: &'static str, pattern: &'static str, depth: u32, connections: u32) -> Load {
    fio_load(name, pattern, KIB4, depth, connections)
}

const fn sequential(name: &'static str, pattern: &'static str) -> Load {
    fio_load(name, pattern, MIB, 8, 1)
}

const fn fio_load(
    name: &'static str,
    pattern: &'static str,
    block: u32,
    depth: u32,
    connections: u32,
) -> Load {
    let kind = Kind::Fio {
        pattern,
        block,
        depth,
        connections,
    };
    let once = false;
    Load { name, once, kind }
}

const fn durable(name: &'static str, depth: u32) -> Load {
    let kind = Kind::Durable { depth };
    let once = false;
    Load { name, once, kind }
}

impl Load {
    /// Whether the rate is in MiB.
    pub fn is_large(&self) -> bool {
        matches!(self.kind, Kind::Fio { block: MIB, .. })
    }

    /// Puts it on a server. What earlier loads wrote on either side is on the disk before: it is not
    /// written back at the expense of this one.
    pub fn run(&self, served: &Served, options: &Options) -> anyhow::Result<Figure> {
        served.write_back()?;
        let before = served.processor_time()?;
        let (rate, operations) = match self.kind {
            Kind::Fio {
                pattern,
                block,
                depth,
                connections,
            } => {
                let fio = Fio {
                    uri: &served.uri,
                    size: options.size,
                    pattern,
                    block,
                    depth,
                    connections,
                    seconds: (!self.once).then_some(options.seconds),
                };
                let done = fio.run()?;
                (done.rate, done.operations)
            }
            Kind::Durable { depth } => run_qemu(served, depth, options)?,
        };
        let used = served.processor_time()? - before;
        Ok(Figure {
            rate,
            processor: used * 1e6 / operations,
        })
    }
}

/// Writes with `cache=writethrough`, which have FUA, of neighbouring blocks for about the time asked.
fn run_qemu(served: &Served, depth: u32, options: &Options) -> anyhow::Result<(f64, f64)> {
    let trial = qemu(served, depth, TRIAL)?;
    let trials = options.seconds * 1_000_000 / micros(trial).max(1000);
    let count = TRIAL * trials.max(1);
    let time = qemu(served, depth, count)?;
    Ok((
        f64::from(count) / time.as_secs_f64(),
        f64::from(count + TRIAL),
    ))
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// How long so many writes take.
fn qemu(served: &Served, depth: u32, count: u32) -> anyhow::Result<Duration> {
    let mut qemu = Command::new("qemu-img");
    qemu.args([
        "bench",
        "-f",
        "raw",
        "-t",
        "writethrough",
        "-w",
        "-s",
        "4096",
    ]);
    qemu.args(["-c", &count.to_string(), "-d", &depth.to_string()]);
    qemu.arg(&served.uri);
    let start = Instant::now();
    let output = qemu.output().context("could not start qemu-img")?;
    let waited = start.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "qemu-img failed: {said}");
    let seconds = said
        .split_once("Run completed in ")
        .and_then(|(_, rest)| rest.split_once(' ')?.0.parse().ok());
    Ok(seconds.map_or(waited, Duration::from_secs_f64))
}
