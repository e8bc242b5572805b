//! Guests: machines that can lose their power, with a kernel that has what this one may lack. Their programs are
//! the real binaries; `tests/e2e/guest/make` puts them together.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::binaries::binary;
use crate::clients::{run, source};

const DISK_SIZE: u64 = 8 << 30;

/// What `writer` in a guest says on its virtio port, over all boots from one disk.
#[derive(Debug)]
pub struct Written {
    path: PathBuf,
    /// How often it had to fail.
    pub failures: usize,
}

impl Written {
    /// Of the guest whose disk is in `folder`.
    pub fn of(folder: &Path) -> Self {
        Self {
            path: folder.join("written"),
            failures: 0,
        }
    }

    /// qemu's arguments for the port.
    pub fn port(&self) -> Vec<String> {
        let file = format!("file,id=written,append=on,path={}", self.path.display());
        [
            "-device",
            "virtio-serial-pci",
            "-chardev",
            &file,
            "-device",
            "virtserialport,chardev=written,name=written",
        ]
        .map(str::to_owned)
        .into()
    }

    /// All of it, and how often what it did failed.
    pub fn text(&self) -> (String, usize) {
        let written = fs::read_to_string(&self.path).unwrap_or_default();
        let failed = written.lines().filter(|line| line.starts_with("failed"));
        let failed = failed.count();
        (written, failed)
    }

    /// The last number that it says is durable; 0 before the first.
    ///
    /// # Errors
    /// All of it, when something that it did failed and had not to.
    pub fn last_durable(&self) -> Result<u32, String> {
        let (written, failed) = self.text();
        if failed != self.failures {
            return Err(written);
        }
        // The last line may have been cut short.
        let whole = written.rfind('\n').map_or("", |end| &written[..end]);
        let numbers = whole
            .lines()
            .filter_map(|line| line.trim().strip_prefix("durable "));
        let numbers = numbers.filter_map(|number| number.parse().ok());
        Ok(numbers.max().unwrap_or(0))
    }
}

/// Nothing here measures time: it is only that a test must not wait for ever.
const BOOT_LIMIT: Duration = Duration::from_mins(30);

/// The folder of the kernel and of the programs that guests boot: `HAYRACK_GUEST`, or else made from the
/// binaries under test.
///
/// # Panics
/// When it cannot be made.
pub fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        if let Some(folder) = std::env::var_os("HAYRACK_GUEST") {
            return folder.into();
        }
        let volumed = binary("volumed");
        let binaries = volumed.parent().expect("it is in a folder");
        let folder = binaries.join("guest");
        run(Command::new(source().join("guest/make"))
            .arg(&folder)
            .arg(binaries));
        folder
    })
}

/// A machine that runs.
#[derive(Debug)]
pub struct Machine {
    console: PathBuf,
    qemu: Child,
}

impl Machine {
    /// Makes an empty disk in `folder`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new_disk(folder: &Path) {
        let disk = folder.join("disk");
        let file = File::create(&disk).expect("a file can be made");
        file.set_len(DISK_SIZE).expect("it can be made longer");
        run(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(disk));
    }

    /// Boots from the disk in `folder`, with more arguments of the kernel and of qemu, and waits until the
    /// console says that the guest is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn boot(folder: &Path, kernel: &str, devices: &[String]) -> Self {
        let (console, image) = (folder.join("console"), image());
        // One that an earlier boot left.
        let _ = fs::remove_file(&console);
        let qemu = Command::new("qemu-system-x86_64")
            .args([
                "-machine", "q35", "-accel", "tcg", "-m", "1024", "-smp", "2",
            ])
            .args(["-no-reboot", "-display", "none", "-monitor", "none"])
            .arg("-append")
            // A host that is slow, or stops qemu for a while, looks like timers that do not work.
            .arg(format!(
                "console=ttyS0 quiet panic=-1 no_timer_check {kernel}"
            ))
            .arg("-kernel")
            .arg(image.join("vmlinuz"))
            .arg("-initrd")
            .arg(image.join("initrd"))
            .arg("-drive")
            .arg(format!(
                "file={},format=raw,if=virtio,cache=writeback",
                folder.join("disk").display()
            ))
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(devices)
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu can be started");
        let mut machine = Self { console, qemu };
        let deadline = Instant::now() + BOOT_LIMIT;
        while !machine.console().contains("GUEST-READY") {
            let ended = !matches!(machine.qemu.try_wait(), Ok(None));
            assert!(
                !ended && Instant::now() < deadline,
                "no boot:\n{}",
                machine.console()
            );
            thread::sleep(Duration::from_millis(100));
        }
        machine
    }

    /// What its console shows.
    pub fn console(&self) -> String {
        let bytes = fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it at once, with whatever is in its memory.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn cut_power(&mut self) {
        self.qemu.kill().expect("qemu can be killed");
        self.qemu.wait().expect("a child can be waited for");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have been cut off before.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
