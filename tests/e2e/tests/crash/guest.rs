//! A machine that can lose its power, with both daemons in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::guest::Machine;
use hayrack_e2e::s3::S3;

/// A guest that runs.
pub struct Guest {
    machine: Machine,
    address: SocketAddr,
    /// `data/env`, as the console shows it.
    env: BTreeMap<String, String>,
}

impl Guest {
    /// Boots, and waits until quickstart is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn boot(folder: &Path) -> Self {
        let address = free_address();
        let network = [
            "-netdev".to_owned(),
            format!("user,id=net,hostfwd=tcp:{address}-:9000"),
            "-device".to_owned(),
            "virtio-net-pci,netdev=net".to_owned(),
        ];
        let machine = Machine::boot(folder, "", &network);
        let env = env(&machine.console());
        Self {
            machine,
            address,
            env,
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

    /// What its console shows.
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// Ends it at once, with whatever is in its memory.
    pub fn cut_power(&mut self) {
        self.machine.cut_power();
    }
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
