//! Which bytes take space, as clients that are not ours see it.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use daemon::{Daemon, pattern, succeed};
use serde_json::Value;

const MIB: u64 = 1 << 20;
const EXTENT: u64 = 64 * MIB;

/// Data at the start of the second block, in two extents, and zeroes that take space.
const FILL: &str = r"
import nbd, sys
h = nbd.NBD()
h.connect_uri(sys.argv[1])
h.pwrite(b'x', 4096)
h.pwrite(b'y' * 10000, (64 << 20) - 5000)
h.zero(8192, 1 << 20, nbd.CMD_FLAG_NO_HOLE)
h.pwrite(b'z' * 8192, 300 << 20)
h.trim(4096, 300 << 20)
h.shutdown()
";

/// What [`FILL`] leaves: where data is, and how much.
const DATA: [(u64, u64); 4] = [
    (4096, 4096),
    (MIB, 8192),
    (EXTENT - 8192, 16384),
    (300 * MIB + 4096, 4096),
];

async fn filled(size: u64) -> Daemon {
    let daemon = Daemon::start();
    daemon.create("sparse", size).await;
    let mut python = Command::new("/usr/bin/python3");
    succeed(python.args(["-c", FILL]).arg(daemon.uri("sparse")));
    daemon
}

/// The data among the runs that a tool prints as JSON; they must tile the volume.
fn data_of(
    json: &str,
    length: &str,
    is_data: impl Fn(&Value) -> bool,
    size: u64,
) -> Vec<(u64, u64)> {
    let runs: Vec<Value> = serde_json::from_str(json).unwrap();
    let (mut data, mut next): (Vec<(u64, u64)>, u64) = (Vec::new(), 0);
    for run in &runs {
        let at = run.get("offset").or(run.get("start")).unwrap();
        assert_eq!(at.as_u64().unwrap(), next, "{json}");
        let length = run[length].as_u64().unwrap();
        match data.last_mut() {
            Some(last) if is_data(run) && last.0 + last.1 == next => last.1 += length,
            _ if is_data(run) => data.push((next, length)),
            _ => {}
        }
        next += length;
    }
    assert_eq!(next, size, "{json}");
    data
}

#[tokio::test]
async fn nbdinfo_and_qemu_see_every_block_that_takes_space() {
    let size = 5 << 30;
    let daemon = filled(size).await;
    let map = succeed(
        Command::new("nbdinfo")
            .args(["--map", "--json"])
            .arg(daemon.uri("sparse")),
    );
    assert_eq!(data_of(&map, "length", |run| run["type"] == 0, size), DATA);
    let map = succeed(
        Command::new("qemu-img")
            .args(["map", "-f", "raw", "--output=json"])
            .arg(format!(
                "nbd:unix:{}:exportname=sparse",
                daemon.nbd_socket().display()
            )),
    );
    assert_eq!(
        data_of(&map, "length", |run| run["data"] == true, size),
        DATA
    );
}

/// Bytes that clients have read so far.
fn bytes_read(daemon: &Daemon) -> u64 {
    let mut admin = UnixStream::connect(daemon.admin_socket()).unwrap();
    admin
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: volumed\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    admin.read_to_string(&mut page).unwrap();
    let name = "volumed_nbd_bytes_total{operation=\"read\"} ";
    let value = page.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_sparse_volume_is_copied_without_its_holes() {
    let daemon = filled(5 << 30).await;
    let before = bytes_read(&daemon);
    let uri = daemon.uri("sparse");
    let (copied, converted) = (
        daemon.folder().join("copied"),
        daemon.folder().join("converted"),
    );
    let copies = [
        Command::new("nbdcopy").arg(&uri).arg(&copied).output(),
        Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "raw", &uri])
            .arg(&converted)
            .output(),
    ];
    for (copy, path) in copies.into_iter().zip([&copied, &converted]) {
        let copy = copy.unwrap();
        assert!(
            copy.status.success(),
            "{}",
            String::from_utf8_lossy(&copy.stderr)
        );
        assert_eq!(std::fs::metadata(path).unwrap().len(), 5 << 30);
    }
    let both = bytes_read(&daemon) - before;
    assert!(both > 0 && both < 8 * MIB, "{both} bytes were read");
    let same = Command::new("cmp").arg(&copied).arg(&converted).status();
    assert!(same.unwrap().success());
}

/// Against a model, with requests of any shape; one descriptor where one is asked for.
const RANDOM: &str = r"
import nbd, random, sys
h = nbd.NBD()
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(sys.argv[1])
assert h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
blocks = h.get_size() // 4096
taken = [False] * blocks
rng = random.Random(int(sys.argv[2]))

def status(length, offset, flags=0):
    answer = []
    def extent(context, at, entries, error):
        assert context == 'base:allocation' and at == offset
        answer.extend(entries)
    h.block_status(length, offset, extent, flags)
    runs = list(zip(answer[::2], answer[1::2]))
    assert runs and all(length > 0 and flags in (0, 3) for length, flags in runs), runs
    return runs

for step in range(300):
    first = rng.choice([0, 16380, 32700]) + rng.randrange(60)
    count = rng.choice([1, 1, 2, 17, 40])
    kind = rng.randrange(3)
    if kind == 0:
        h.pwrite(b'a' * (count * 4096 - 1), first * 4096)
    elif kind == 1:
        h.trim(count * 4096, first * 4096)
    else:
        h.zero(count * 4096, first * 4096, nbd.CMD_FLAG_NO_HOLE)
    taken[first:first + count] = [kind != 1] * count
    offset = rng.randrange(blocks * 4096 - 1)
    length = min(rng.randrange(1, 200 << 20), blocks * 4096 - offset)
    runs = status(length, offset)
    at = offset
    for run, flags in runs:
        for block in range(at // 4096, (at + run - 1) // 4096 + 1):
            assert taken[block] == (flags == 0), (step, block, runs)
        at += run
    assert at == offset + length, (at, offset, length)
    one = status(length, offset, nbd.CMD_FLAG_REQ_ONE)
    assert len(one) == 1 and one[0][1] == runs[0][1] and one[0][0] <= runs[0][0], (one, runs)
h.shutdown()
";

#[tokio::test]
async fn runs_tile_whatever_is_asked_about_and_are_right() {
    let daemon = Daemon::start();
    for seed in ["1", "2"] {
        daemon.create(seed, 4 * EXTENT).await;
        let mut python = Command::new("/usr/bin/python3");
        succeed(python.args(["-c", RANDOM]).arg(daemon.uri(seed)).arg(seed));
    }
}

/// More runs than one answer has, in one extent and in many.
const MANY: &str = r"
import nbd, sys
h = nbd.NBD()
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(sys.argv[1])
for block in range(0, 6000, 2):
    h.pwrite(b'a', block * 4096)
for extent in range(1, 40):
    h.pwrite(b'a', extent << 26)
at, answers, data = 0, 0, 0
while at < h.get_size():
    runs = []
    length = min(h.get_size() - at, 4294967295)
    h.block_status(length, at, lambda context, at, entries, error: runs.extend(entries))
    assert 0 < len(runs) <= 2048, len(runs)
    at += sum(runs[::2])
    data += sum(length for length, flags in zip(runs[::2], runs[1::2]) if flags == 0)
    answers += 1
assert at == h.get_size() and data == (3000 + 39) * 4096, (at, data)
assert answers < 20, answers
h.shutdown()
";

#[tokio::test]
async fn answers_are_bounded_and_go_on_where_the_last_one_ended() {
    let daemon = Daemon::start();
    daemon.create("many", 100 * EXTENT).await;
    let mut python = Command::new("/usr/bin/python3");
    succeed(python.args(["-c", MANY]).arg(daemon.uri("many")));
}

#[tokio::test]
async fn a_crash_does_not_make_data_a_hole() {
    let daemon = filled(5 << 30).await;
    let daemon = daemon.restart(nix::sys::signal::Signal::SIGKILL);
    let map = succeed(
        Command::new("nbdinfo")
            .args(["--map", "--json"])
            .arg(daemon.uri("sparse")),
    );
    assert_eq!(
        data_of(&map, "length", |run| run["type"] == 0, 5 << 30),
        DATA
    );
}

/// Reads the page cache away, asks for it back by CACHE, and waits until it is there.
#[tokio::test]
async fn cache_brings_data_into_memory() {
    let daemon = Daemon::start();
    daemon.create("cold", EXTENT).await;
    let from = daemon.folder().join("from");
    std::fs::write(&from, pattern(1, 8 << 20)).unwrap();
    succeed(
        Command::new("nbdcopy")
            .arg("--flush")
            .arg(&from)
            .arg(daemon.uri("cold")),
    );
    let folder = daemon.data().join("disk/volumes/v00000001");
    let data = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let data = data
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "data"));
    let data = data.unwrap();
    let cached = || {
        let mut fincore = Command::new("fincore");
        let bytes = succeed(
            fincore
                .args(["--bytes", "--noheadings", "--output", "RES"])
                .arg(&data),
        );
        bytes.trim().parse::<u64>().unwrap()
    };
    // dd's way to have a file forgotten; what is dirty stays, so it is synced. What the daemon reads meanwhile
    // to clean the regions comes back.
    let forget = format!("of={}", data.display());
    let forgotten = || {
        succeed(Command::new("dd").args([
            &forget,
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
        ]));
        cached() < MIB
    };
    soon("the file system forgets nothing", forgotten);
    let script = "import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1]); h.cache(8 << 20, 0)";
    let mut python = Command::new("/usr/bin/python3");
    succeed(python.args(["-c", script]).arg(daemon.uri("cold")));
    soon("not all of it came", || cached() >= 8 * MIB);
}

/// Waits until something holds.
fn soon(otherwise: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + daemon::PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
