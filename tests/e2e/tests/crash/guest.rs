//! A machine that can lose its power: both daemons in a guest that `tests/e2e/guest/make` made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::clients::run;
use hayrack_e2e::s3::S3;

const DISK_SIZE: u64 = 8 << 30;
const BOOT_LIMIT: Duration = Duration::from_mins(5);

/// A guest that runs.
pub struct Guest {
    console: PathBuf,
    machine: Child,
    address: SocketAddr,
    /// `data/env`, as the console shows it.
    env: BTreeMap<String, String>,
}

impl Guest {
    /// Makes an empty disk in the guest's folder.
    pub fn new_disk(folder: &Path) {
        let disk = folder.join("disk");
        let file = File::create(&disk).expect("a file can be made");
        file.set_len(DISK_SIZE).expect("it can be made longer");
        run(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(disk));
    }

    /// Boots, and waits until quickstart is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn boot(folder: &Path) -> Self {
        let (console, address) = (folder.join("console"), free_address());
        // One that an earlier boot left.
        let _ = fs::remove_file(&console);
        let machine = Command::new("qemu-system-x86_64")
            .args([
                "-machine", "q35", "-accel", "tcg", "-m", "1024", "-smp", "2",
            ])
            .args(["-no-reboot", "-display", "none", "-monitor", "none"])
            .args(["-append", "console=ttyS0 quiet panic=-1"])
            .arg("-kernel")
            .arg(folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(folder.join("initrd"))
            .arg("-drive")
            .arg(format!(
                "file={},format=raw,if=virtio,cache=writeback",
                folder.join("disk").display()
            ))
            .arg("-netdev")
            .arg(format!("user,id=net,hostfwd=tcp:{address}-:9000"))
            .args(["-device", "virtio-net-pci,netdev=net", "-serial"])
            .arg(format!("file:{}", console.display()))
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu can be started");
        let mut guest = Self {
            console,
            machine,
            address,
            env: BTreeMap::new(),
        };
        guest.env = guest.wait_for_env();
        guest
    }

    fn wait_for_env(&self) -> BTreeMap<String, String> {
        let deadline = Instant::now() + BOOT_LIMIT;
        while !self.console().contains("GUEST-READY") {
            let ended = self.console().contains("GUEST-END");
            assert!(
                !ended && Instant::now() < deadline,
                "no boot:\n{}",
                self.console()
            );
            thread::sleep(Duration::from_millis(100));
        }
        let console = self.console();
        let exports = console
            .lines()
            .filter_map(|line| line.trim_end().strip_prefix("export "));
        let pairs = exports.filter_map(|export| export.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect()
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
        let bytes = fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it at once, with whatever is in its memory.
    pub fn cut_power(&mut self) {
        self.machine.kill().expect("qemu can be killed");
        self.machine.wait().expect("a child can be waited for");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have been cut off before.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}
