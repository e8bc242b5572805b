//! The daemon with clients that are not ours: libnbd's tools and the `nbd` crate.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use daemon::{Daemon, pattern, succeed};
use nix::sys::signal::Signal;

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn nbdinfo_sees_what_the_server_can_do() {
    let daemon = Daemon::start();
    daemon.create("photos", 1 << 60).await;
    let text = succeed(
        Command::new("nbdinfo")
            .arg("--json")
            .arg(daemon.uri("photos")),
    );
    let info: serde_json::Value = serde_json::from_str(&text).unwrap();
    let export = &info["exports"][0];
    assert_eq!(export["export-size"], 1_u64 << 60);
    for flag in [
        "can_flush",
        "can_fua",
        "can_multi_conn",
        "can_trim",
        "can_zero",
        "can_df",
        "can_cache",
        "can_fast_zero",
    ] {
        assert_eq!(export[flag], true, "{flag}");
    }
    assert_eq!(export["is_read_only"], false);
    assert_eq!(export["contexts"][0], "base:allocation");
    assert_eq!(export["block_size_minimum"], 1);
    assert_eq!(export["block_size_preferred"], 4096);
    assert_eq!(export["block_size_maximum"], 32 * MIB);
}

#[tokio::test]
async fn exports_are_listed_and_absent_ones_refused() {
    let daemon = Daemon::start();
    daemon.create("a", MIB).await;
    daemon.create("b", MIB).await;
    let text = succeed(
        Command::new("nbdinfo")
            .args(["--json", "--list"])
            .arg(daemon.uri("")),
    );
    let info: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = info["exports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|export| &export["export-name"])
        .collect();
    assert_eq!(names, ["a", "b"]);
    let output = Command::new("nbdinfo")
        .arg(daemon.uri("absent"))
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[tokio::test]
async fn nbdcopy_brings_a_file_in_and_out() {
    let daemon = Daemon::start();
    daemon.create("copy", 200 * MIB).await;
    let (from, to) = (daemon.folder().join("from"), daemon.folder().join("to"));
    let mut bytes = pattern(1, 40 << 20);
    bytes[(10 << 20)..(20 << 20)].fill(0);
    std::fs::write(&from, &bytes).unwrap();
    succeed(
        Command::new("nbdcopy")
            .arg("--flush")
            .arg(&from)
            .arg(daemon.uri("copy")),
    );
    succeed(Command::new("nbdcopy").arg(daemon.uri("copy")).arg(&to));
    let copied = std::fs::read(&to).unwrap();
    assert_eq!(copied.len() as u64, 200 * MIB);
    assert!(copied[..bytes.len()] == bytes);
    assert!(copied[bytes.len()..].iter().all(|byte| *byte == 0));
}

/// Every command with every flag, through libnbd with structured replies and without.
const EXERCISE: &str = r#"
import errno, nbd, sys
uri = sys.argv[1]

def exercise(structured):
    h = nbd.NBD()
    h.set_request_structured_replies(structured)
    h.set_strict_mode(0)
    h.connect_uri(uri)
    assert h.get_structured_replies_negotiated() == structured
    assert h.get_size() == 8 << 20
    a = bytes(i * 7 % 251 for i in range(10000))
    h.pwrite(a, 123, nbd.CMD_FLAG_FUA)
    assert h.pread(10000, 123) == a
    h.zero(100, 200)
    h.zero(100, 400, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA)
    h.zero(100, 600, nbd.CMD_FLAG_FAST_ZERO)
    b = bytearray(a)
    for at in (200, 400, 600):
        b[at - 123:at - 23] = bytes(100)
    assert h.pread(10000, 123) == b
    h.trim(4096, 4096, nbd.CMD_FLAG_FUA)
    b[4096 - 123:8192 - 123] = bytes(4096)
    assert h.pread(10000, 123) == b
    h.cache(4096, 0)
    h.flush()
    if structured:
        chunks = []
        buf = h.pread_structured(65536, 0, lambda data, at, kind, e: chunks.append((at, len(data))),
                                 nbd.CMD_FLAG_DF)
        assert chunks == [(0, 65536)], chunks

    def refused(number, call):
        try:
            call()
        except nbd.Error as e:
            assert e.errnum == number, e
        else:
            raise AssertionError("not refused")
    refused(errno.EINVAL, lambda: h.pread(2, (8 << 20) - 1))
    refused(errno.ENOSPC, lambda: h.pwrite(b"xx", (8 << 20) - 1))
    refused(errno.ENOSPC, lambda: h.zero(2, (8 << 20) - 1))
    refused(errno.EINVAL, lambda: h.trim(2, (8 << 20) - 1))
    refused(errno.ENOTSUP,
            lambda: h.zero(2, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE))
    assert h.pread(10000, 123) == b
    h.zero(8 << 20, 0)
    h.shutdown()

exercise(True)
exercise(False)

h = nbd.NBD()
h.set_opt_mode(True)
h.connect_uri(uri)
try:
    h.set_export_name("absent")
    h.opt_go()
except nbd.Error as e:
    assert e.errnum == errno.ENOENT, e
else:
    raise AssertionError("an absent export was opened")
h.set_export_name("small")
h.opt_info()
assert h.get_size() == 8 << 20
h.opt_go()
assert h.pread(1, 0) == b"\0"
"#;

#[tokio::test]
async fn libnbd_exercises_every_command() {
    let daemon = Daemon::start();
    daemon.create("small", 8 * MIB).await;
    let mut python = Command::new("/usr/bin/python3");
    succeed(python.args(["-c", EXERCISE]).arg(daemon.uri("small")));
}

/// Writes on any connection, which all others read at once; a flush on one of them.
const SHARE: &str = r"
import nbd, random, sys
handles = [nbd.NBD() for _ in range(4)]
for h in handles:
    h.connect_uri(sys.argv[1])
    assert h.can_multi_conn()
rng = random.Random(5)
model = bytearray(1 << 20)
for step in range(400):
    length = rng.randrange(1, 20000)
    at = rng.randrange(len(model) - length)
    data = rng.randbytes(length)
    rng.choice(handles).pwrite(data, at)
    model[at:at + length] = data
    at = rng.randrange(len(model) - 5000)
    assert rng.choice(handles).pread(5000, at) == model[at:at + 5000], step
handles[3].flush()
open(sys.argv[2], 'wb').write(model)
";

#[tokio::test]
async fn connections_share_a_volume_and_a_flush_on_one_covers_all() {
    let daemon = Daemon::start();
    daemon.create("shared", MIB).await;
    let model = daemon.folder().join("model");
    let mut python = Command::new("/usr/bin/python3");
    let arguments = ["-c", SHARE, &daemon.uri("shared")];
    succeed(python.args(arguments).arg(&model));
    let expected = std::fs::read(&model).unwrap();
    let daemon = daemon.restart(Signal::SIGKILL);
    let copy = daemon.folder().join("copy");
    succeed(Command::new("nbdcopy").arg(daemon.uri("shared")).arg(&copy));
    assert!(std::fs::read(&copy).unwrap() == expected);
}

#[tokio::test]
async fn a_damaged_block_is_told_with_its_extent_and_what_to_do() {
    let mut daemon = Daemon::start();
    daemon.create("rotten", 200 * MIB).await;
    let script = "import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1]); ";
    let run = |daemon: &Daemon, rest: &str| {
        let mut python = Command::new("/usr/bin/python3");
        let arguments = ["-c", &format!("{script}{rest}"), &daemon.uri("rotten")];
        python
            .env("LIBNBD_DEBUG", "1")
            .args(arguments)
            .output()
            .unwrap()
    };
    let written = run(&daemon, "h.pwrite(b'x' * 4096, 65 << 20, nbd.CMD_FLAG_FUA)");
    assert!(written.status.success());
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    let folder = daemon.data().join("disk/volumes/v00000001");
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths = files.map(|entry| entry.unwrap().path());
    let data = paths.find(|path| path.extension().is_some_and(|end| end == "data"));
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(data.unwrap())
        .unwrap();
    file.write_all_at(b"y", MIB + 100).unwrap();
    let daemon = daemon.restart_stopped();
    let read = run(&daemon, "h.pread(4096, 65 << 20)");
    assert!(!read.status.success());
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(said.contains("Input/output error"), "{said}");
    assert!(said.contains("(extent 1) could not be read"), "{said}");
    assert!(said.contains("run `volumed doctor`"), "{said}");
}

#[tokio::test]
async fn the_nbd_crate_reads_what_it_wrote() {
    let daemon = Daemon::start();
    daemon.create("old", 8 * MIB).await;
    let mut stream = UnixStream::connect(daemon.nbd_socket()).unwrap();
    let export = nbd::client::handshake(&mut stream, b"old").unwrap();
    assert_eq!(export.size, 8 * MIB);
    let mut client = nbd::client::NbdClient::new(&mut stream, &export);
    let data = pattern(2, 70_000);
    client.seek(SeekFrom::Start(4000)).unwrap();
    client.write_all(&data).unwrap();
    client.flush().unwrap();
    client.seek(SeekFrom::Start(4000)).unwrap();
    let mut read = vec![0; data.len()];
    client.read_exact(&mut read).unwrap();
    assert!(read == data);
}

#[tokio::test]
async fn a_client_that_talks_nonsense_harms_nobody_else() {
    let daemon = Daemon::start();
    daemon.create("calm", MIB).await;
    let mut other = UnixStream::connect(daemon.nbd_socket()).unwrap();
    let export = nbd::client::handshake(&mut other, b"calm").unwrap();
    let mut client = nbd::client::NbdClient::new(&mut other, &export);
    client.write_all(&pattern(3, 5000)).unwrap();
    for seed in 0..20 {
        let mut stream = UnixStream::connect(daemon.nbd_socket()).unwrap();
        if seed % 2 == 0 {
            nbd::client::handshake(&mut stream, b"calm").unwrap();
        }
        let _ = stream.write_all(&pattern(seed, 3000));
        let mut greeting = Vec::new();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut greeting);
    }
    client.seek(SeekFrom::Start(0)).unwrap();
    let mut read = vec![0; 5000];
    client.read_exact(&mut read).unwrap();
    assert!(read == pattern(3, 5000));
}
