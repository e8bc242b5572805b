//! fio through its NBD engine.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::size::ByteSize;

/// One job of fio on an export.
pub struct Fio<'a> {
    /// The export.
    pub uri: &'a str,
    /// How much of it is used.
    pub size: ByteSize,
    /// fio's name of the pattern.
    pub pattern: &'static str,
    /// The bytes of one operation.
    pub block: u32,
    /// Operations under way on one connection.
    pub depth: u32,
    /// Connections.
    pub connections: u32,
    /// How long it goes on; else until all of `size` had its turn.
    pub seconds: Option<u32>,
}

/// What a job came to.
#[derive(Clone, Copy)]
pub struct Done {
    /// Operations a second.
    pub rate: f64,
    /// Operations.
    pub operations: f64,
    /// Half of the operations took at most this long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 did.
    pub p99_ms: f64,
}

impl Fio<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When fio cannot be started, or an operation failed.
    pub fn run(&self) -> anyhow::Result<Done> {
        let output = self.command().output().context("could not start fio")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "fio failed: {said}{complaint}");
        // A note may stand before it.
        let report = said.find('{').map_or("", |at| &said[at..]);
        let report: Value = serde_json::from_str(report).context("fio's report")?;
        Ok(Done::of(&report["jobs"][0]))
    }

    fn command(&self) -> Command {
        let mut fio = Command::new("fio");
        fio.args(["--name=load", "--ioengine=nbd", "--group_reporting"]);
        fio.args(["--output-format=json", "--randrepeat=0"]);
        fio.arg(format!("--uri={}", self.uri));
        fio.arg(format!("--size={}", self.size.0));
        fio.arg(format!("--rw={}", self.pattern));
        fio.arg(format!("--bs={}", self.block));
        fio.arg(format!("--iodepth={}", self.depth));
        fio.arg(format!("--numjobs={}", self.connections));
        if let Some(seconds) = self.seconds {
            fio.args(["--time_based".to_owned(), format!("--runtime={seconds}")]);
        }
        fio
    }
}

impl Done {
    fn of(job: &Value) -> Self {
        let sum = |field: &str| -> f64 {
            let directions = ["read", "write"].map(|it| job[it][field].as_f64());
            directions.into_iter().flatten().sum()
        };
        let milliseconds = |percent: &str| -> f64 {
            let of = |it: &str| job[it]["clat_ns"]["percentile"][percent].as_f64();
            let directions = ["read", "write"].map(of);
            directions.into_iter().flatten().fold(0.0, f64::max) / 1e6
        };
        Self {
            rate: sum("iops"),
            operations: sum("total_ios"),
            p50_ms: milliseconds("50.000000"),
            p99_ms: milliseconds("99.000000"),
        }
    }
}
