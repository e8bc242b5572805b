//! What earlier formats left on disks and in the store is served, and rewritten as it changes. The
//! fixtures were made by the programs of their time: see `fixtures/README.md`.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use daemon::{Daemon, pattern, succeed};
use nix::sys::signal::Signal;
use volumed_client::{BlockDevice, Durability, NbdDevice};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 1 << 50;
const OWNER: &str = "maker";

/// The parts of a volume that are compared byte by byte: whatever a fixture holds lies in them.
const WINDOWS: [(u64, u64); 2] = [(0, 192 * MIB), (SIZE - 64 * MIB, 64 * MIB)];

/// The volume that was stopped cleanly, and the one whose daemon was killed.
const VOLUMES: [&str; 2] = ["stopped", "killed"];

/// What was done to each volume, in this order.
#[derive(Clone, Copy)]
enum Step {
    Write(u64, usize),
    Trim(u64, u64),
}

/// Edges of blocks, regions and extents; a hole in written blocks; extents taken ahead of a
/// sequential writer; one that was freed and placed again; one far away.
const STEPS: [Step; 9] = [
    Step::Write(100, 9_000),
    Step::Write(4 * MIB - 5_000, 10_000),
    Step::Write(64 * MIB - 700, 1_400),
    Step::Write(130 * MIB, 4_096),
    Step::Trim(128 * MIB, 64 * MIB),
    Step::Write(129 * MIB, 8_192),
    Step::Trim(4_096, 4_096),
    Step::Write(200, 50),
    Step::Write(SIZE - 6_000, 6_000),
];

/// What a volume must hold.
struct Expected(Vec<(u64, Vec<u8>)>);

impl Expected {
    fn nothing() -> Self {
        let zeroes = |&(start, length): &(u64, u64)| (start, vec![0; length as usize]);
        Self(WINDOWS.iter().map(zeroes).collect())
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        let holds = |(start, window): &&mut (u64, Vec<u8>)| {
            (*start..*start + window.len() as u64).contains(&offset)
        };
        let (start, window) = self.0.iter_mut().find(holds).unwrap();
        let at = (offset - *start) as usize;
        window[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Carries the steps out, if there is a device, and answers what they leave.
async fn carry_out(volume: u64, device: Option<&NbdDevice>) -> Expected {
    let mut expected = Expected::nothing();
    for (number, &step) in (0..).zip(&STEPS) {
        let (offset, bytes) = match step {
            Step::Write(offset, length) => (offset, pattern(volume * 100 + number, length)),
            Step::Trim(offset, length) => (offset, vec![0; length as usize]),
        };
        expected.put(offset, &bytes);
        let Some(device) = device else { continue };
        match step {
            Step::Trim(offset, length) => device.trim(offset, length).await.unwrap(),
            Step::Write(..) => {
                let how = [Durability::Volatile, Durability::Durable][number as usize % 2];
                device.write(offset, &[bytes.into()], how).await.unwrap();
            }
        }
    }
    if let Some(device) = device {
        device.flush(device.session()).await.unwrap();
    }
    expected
}

async fn attach(daemon: &Daemon, volume: &str) -> NbdDevice {
    let attached = daemon.admin().attach(volume, OWNER).await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

async fn check(device: &NbdDevice, expected: &Expected) {
    const AT_ONCE: usize = 4 << 20;
    for (start, window) in &expected.0 {
        for (at, bytes) in (0..).step_by(AT_ONCE).zip(window.chunks(AT_ONCE)) {
            let read = device.read(start + at, bytes.len()).await.unwrap();
            assert!(read == bytes, "at {}", start + at);
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[tokio::test]
async fn every_byte_of_an_earlier_format_is_read_and_goes_on_being_written() {
    let mut tried = 0;
    for fixture in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = fixture.unwrap().path();
        if fixture.extension().is_some_and(|kind| kind == "gz") {
            let copies = upgrade(&fixture).await;
            let name = fixture.file_name().unwrap().to_str().unwrap();
            let version = name.trim_start_matches('v').trim_end_matches(".tar.gz");
            let copy = format!("format-{version}.db");
            assert_eq!(
                copies,
                [copy],
                "the store is copied before its format changes"
            );
            tried += 1;
        }
    }
    assert!(tried > 0);
}

/// Answers which copies of the store there are that were made before its format changed.
async fn upgrade(fixture: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut unpack = Command::new("tar");
    succeed(unpack.arg("-xzf").arg(fixture).arg("-C").arg(folder.path()));
    let daemon = Daemon::start_in(folder, None);
    let mut all = Vec::new();
    for (number, volume) in (0..).zip(VOLUMES) {
        let mut expected = carry_out(number, None).await;
        let device = attach(&daemon, volume).await;
        check(&device, &expected).await;
        // Into blocks that were there, beside them, and into an extent of its own.
        for (at, offset) in (50..).zip([150, 5 * MIB, 131 * MIB, 70 * MIB]) {
            let bytes = pattern(at, 5_000);
            expected.put(offset, &bytes);
            let data = [Bytes::from(bytes)];
            device
                .write(offset, &data, Durability::Durable)
                .await
                .unwrap();
        }
        device.trim(0, 4_096).await.unwrap();
        expected.put(0, &[0; 4_096]);
        device.flush(device.session()).await.unwrap();
        all.push(expected);
    }
    let daemon = daemon.restart(Signal::SIGTERM);
    for (volume, expected) in VOLUMES.iter().zip(&all) {
        check(&attach(&daemon, volume).await, expected).await;
    }
    let daemon = daemon.restart(Signal::SIGKILL);
    for (volume, expected) in VOLUMES.iter().zip(&all) {
        check(&attach(&daemon, volume).await, expected).await;
    }
    // Without a copy there is no folder for them.
    let copies = std::fs::read_dir(daemon.data().join("disk/meta"));
    let names = copies
        .into_iter()
        .flatten()
        .map(|copy| copy.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("format-")).collect()
}

/// The formats that this program writes, which a fixture is made of as `$FIXTURE` before they change.
#[tokio::test]
async fn every_byte_of_this_format_is_read_and_goes_on_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let archive = std::env::var_os("FIXTURE").map(PathBuf::from);
    let archive = archive.unwrap_or_else(|| folder.path().join("now.tar.gz"));
    make(&archive).await;
    assert_eq!(upgrade(&archive).await, Vec::<String>::new());
}

async fn make(archive: &Path) {
    let mut daemon = Daemon::start();
    for volume in VOLUMES {
        daemon.create(volume, SIZE).await;
    }
    for (number, volume) in (0..).zip(VOLUMES) {
        let device = attach(&daemon, volume).await;
        carry_out(number, Some(&device)).await;
        drop(device);
        if volume == "stopped" {
            daemon.admin().detach(volume, OWNER).await.unwrap();
            daemon = daemon.restart(Signal::SIGTERM);
        }
    }
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let mut pack = Command::new("tar");
    pack.arg("-C")
        .arg(daemon.folder())
        .arg("-cSzf")
        .arg(archive);
    pack.args(["--owner=0", "--group=0", "--mtime=@0", "--sort=name"]);
    pack.args([
        "--exclude=*.sock",
        "--exclude=data/lock",
        "--exclude=*-shm",
        "data",
    ]);
    succeed(&mut pack);
}
