//! The rack that `make rack` starts, and the orders that other terminals give it.

mod env_file;
mod first_use;
mod interrupt;
mod orders;
mod welcome;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use hayrack_rack::binaries::Binaries;
use hayrack_rack::rack::Rack;

use env_file::EnvFile;
use interrupt::Interrupt;
pub use orders::{Order, send};

/// Three, so that one may be missing.
const NODES: u8 = 3;

/// Starts the rack whose state is in `data`, and keeps it until it is to stop.
///
/// # Errors
/// A sentence for people: what is wrong and what to do.
pub fn run(data: &Path, fresh: bool) -> anyhow::Result<()> {
    let interrupt = Interrupt::catch()?;
    let data = std::path::absolute(data)?;
    let _lock = claim(&data)?;
    if fresh {
        remove_nodes(&data)?;
    }
    let program = std::env::current_exe().context("could not find the own program")?;
    let binaries = Binaries::beside(&program);
    let mut rack = Rack::make(&data, &binaries, NODES)?;
    eprintln!("Starting {NODES} nodes, which takes a while the first time …");
    rack.found()?;
    let env = first_use::provision(&rack, &env_path(&data))?;
    let listener = orders::listen(&data)?;
    welcome::print(&rack, &env, &data, &program)?;
    let rack = Arc::new(Mutex::new(rack));
    orders::obey(listener, rack.clone());
    interrupt.wait();
    eprintln!("Finishing what is in flight; another Ctrl-C quits at once.");
    let mut rack = rack
        .lock()
        .map_err(|_| anyhow::anyhow!("an order failed badly"))?;
    orders::stop(&mut rack)
}

/// The variables for shells.
fn env_path(data: &Path) -> PathBuf {
    data.join("env")
}

/// Makes the data folder, and makes sure that nobody else uses it while the file is open.
fn claim(data: &Path) -> anyhow::Result<File> {
    let folder = data.display();
    fs::create_dir_all(data).with_context(|| format!("could not make {folder}"))?;
    let lock = File::create(data.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "A rack already runs on {folder}; stop it first, or set HAYRACK_RACK_DATA to another folder."
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("could not lock {folder}"))
        }
    }
}

/// Only what a rack has made there: it may be a folder with more in it.
fn remove_nodes(data: &Path) -> anyhow::Result<()> {
    for number in 1..=NODES {
        let node = data.join(format!("node-{number}"));
        if node.exists() {
            fs::remove_dir_all(&node)
                .with_context(|| format!("could not remove {}", node.display()))?;
        }
    }
    EnvFile::remove(&env_path(data))
}
