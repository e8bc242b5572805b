//! A machine that can lose its power, with both daemons in it, and a file system on a volume beside the buckets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::guest::{Machine, Written};
use hayrack_e2e::s3::S3;

/// How long its files may take; nothing here measures time, and the host may be paused.
const LIMIT: Duration = Duration::from_mins(30);

/// A guest that runs.
pub struct Guest {
    machine: Machine,
    address: SocketAddr,
    /// `data/env`, as the console shows it.
    env: BTreeMap<String, String>,
    written: Written,
}

impl Guest {
    /// Boots, and waits until quickstart is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn boot(folder: &Path) -> Self {
        let address = free_address();
        let written = Written::of(folder);
        let durable = durable(&written, "");
        let mut devices = vec![
            "-netdev".to_owned(),
            format!("user,id=net,hostfwd=tcp:{address}-:9000"),
            "-device".to_owned(),
            "virtio-net-pci,netdev=net".to_owned(),
        ];
        devices.extend(written.port());
        let machine = Machine::boot(folder, &format!("durable={durable}"), &devices);
        let env = env(&machine.console());
        Self {
            machine,
            address,
            env,
            written,
        }
    }

    /// S3 with the keys of the first boot.
    pub fn s3(&self) -> S3 {
        let env = |name: &str| self.env[name].as_str();
        S3::new(
            self.address,
            env("AWS_ACCESS_KEY_ID"),
            env("AWS_SECRET_ACCESS_KEY"),
        )
    }

    /// The path of the first bucket.
    pub fn bucket(&self) -> String {
        format!("/{}", self.env["HAYRACK_BUCKET"])
    }

    /// The last number that is durable in the file system; 0 before the first.
    ///
    /// # Panics
    /// When something in it failed.
    pub fn durable(&self) -> u32 {
        durable(&self.written, &self.console())
    }

    /// Waits until everything was found that was durable in the file system before it booted.
    ///
    /// # Panics
    /// When something is not there any more.
    pub fn verify_files(&self) {
        self.wait_for(|| self.console().contains("FILES-END"));
        let console = self.console();
        assert!(console.contains("FILES-WELL"), "{console}");
    }

    /// Waits until `more` numbers are durable in the file system than are now.
    ///
    /// # Panics
    /// When they do not become durable.
    pub fn wait_for_files(&self, more: u32) {
        let enough = self.durable() + more;
        self.wait_for(|| self.durable() >= enough);
    }

    fn wait_for(&self, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < deadline, "{}", self.console());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What its console shows.
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// Ends it at once, with whatever is in its memory.
    pub fn cut_power(&mut self) {
        self.machine.cut_power();
    }
}

fn durable(written: &Written, console: &str) -> u32 {
    let last = written.last_durable();
    last.unwrap_or_else(|written| panic!("{written}\n{console}"))
}

fn env(console: &str) -> BTreeMap<String, String> {
    let exports = console
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("export "));
    let pairs = exports.filter_map(|export| export.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}
