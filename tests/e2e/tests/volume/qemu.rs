//! QEMU's tools.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hayrack_e2e::clients::{debian, run};
use hayrack_e2e::rack::kill_process;
use hayrack_e2e::volumed::Volumed;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{MIB, same_bytes, sparse_file};

fn img(words: &[&str]) -> Command {
    let mut command = Command::new(debian("qemu-img"));
    command.args(words);
    command
}

/// Runs commands of qemu-io, of which none may fail; qemu-io itself would end well all the same.
fn io(image: &[&str], commands: &[&str]) -> String {
    let mut qemu_io = Command::new(debian("qemu-io"));
    for command in commands {
        qemu_io.args(["-c", command]);
    }
    let printed = run(qemu_io.args(image));
    for bad in ["failed", "error", "invalid", "not found"] {
        assert!(!printed.contains(bad), "{printed}");
    }
    printed
}

#[test]
fn qemu_img_converts_compares_and_maps() {
    let volumed = Volumed::start("1GiB");
    volumed.create("disk", "96MiB");
    let uri = volumed.uri("disk");
    let from = sparse_file(&volumed, "from", 2, 96 * MIB);
    let (from_name, to) = (from.display().to_string(), volumed.path("to"));
    run(&mut img(&[
        "convert", "-n", "-f", "raw", "-O", "raw", "-m", "16", "-W", &from_name, &uri,
    ]));
    let compare = ["compare", "-f", "raw", "-F", "raw", &from_name, &uri];
    assert!(run(&mut img(&compare)).contains("Images are identical."));
    run(img(&["convert", "-f", "raw", "-O", "raw", &uri]).arg(&to));
    assert!(same_bytes(&from, &to));
    let map = run(&mut img(&["map", "-f", "raw", "--output=json", &uri]));
    let map: Vec<Value> = serde_json::from_str(&map).expect("JSON");
    let data = map.iter().filter(|run| run["data"] == true);
    let lengths = data.map(|run| run["length"].as_u64().expect("a length"));
    assert_eq!(lengths.sum::<u64>(), 48 * MIB as u64);

    let file = fs::File::options().write(true).open(&from);
    let file = file.expect("it can be opened");
    file.write_all_at(b"!", 95 * MIB as u64)
        .expect("it can be written");
    let differs = img(&compare).output().expect("qemu-img can be run");
    assert_eq!(differs.status.code(), Some(1));
}

#[test]
fn qemu_io_reads_back_every_pattern() {
    let mut volumed = Volumed::start("1GiB");
    volumed.create("patterns", "256MiB");
    let uri = volumed.uri("patterns");
    let raw = ["-f", "raw", &uri];
    let checks = [
        "read -P 0x11 0 512",
        "read -P 0xaa 512 1048064",
        "read -P 0 1M 512k",
        "read -P 0xbb 1536k 2560k",
        "read -P 0xcc 63M 1M",
        "read -P 0 64M 64k",
        "read -P 0xcc 65600k 960k",
        "read -P 0 200M 1M",
        "read -P 0xdd 201M 1M",
    ];
    io(
        &raw,
        &[
            "write -P 0xaa 0 1M",
            "write -f -P 0x11 0 512",
            "aio_write -P 0xbb 1M 3M",
            "aio_write -P 0xcc 63M 2M",
            "aio_flush",
            "discard 1M 512k",
            "write -z -u 64M 64k",
            "write -z 200M 1M",
            "write -P 0xdd 201M 1M",
            "flush",
        ],
    );
    io(&raw, &checks);
    volumed.kill();
    volumed.start_again();
    io(&raw, &checks);
}

/// A qcow2 image that lies on a volume: its metadata is many small writes in an order that matters.
#[test]
fn a_qcow2_image_on_a_volume_is_whole_after_a_crash() {
    let mut volumed = Volumed::start("1GiB");
    volumed.create("image", "256MiB");
    let uri = volumed.uri("image");
    run(&mut img(&["create", "-q", "-f", "qcow2", &uri, "1G"]));
    let qcow2 = ["-f", "qcow2", &uri];
    let at = |index: u32| format!("{}M 128k", index * 37 % 1000);
    let writes: Vec<String> = (1..100)
        .map(|index| format!("write -P {index} {}", at(index)))
        .collect();
    let writes: Vec<&str> = writes.iter().map(String::as_str).collect();
    io(&qcow2, &writes);
    run(&mut img(&["snapshot", "-c", "before", &uri]));
    io(&qcow2, &["write -P 0xee 37M 128k", "discard 74M 128k"]);
    volumed.kill();
    volumed.start_again();
    let checked = run(&mut img(&["check", "-f", "qcow2", &uri]));
    assert!(checked.contains("No errors were found"), "{checked}");
    io(&qcow2, &["read -P 0xee 37M 128k", "read -P 0 74M 128k"]);
    run(&mut img(&["snapshot", "-a", "before", &uri]));
    let reads: Vec<String> = (1..100)
        .map(|index| format!("read -P {index} {}", at(index)))
        .collect();
    let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
    io(&qcow2, &reads);
}

/// Without the kernel's client, qemu-nbd is one of its own: it hands on what it is a client of.
#[test]
fn qemu_nbd_hands_a_volume_on() {
    let volumed = Volumed::start("1GiB");
    volumed.create("behind", "96MiB");
    let from = sparse_file(&volumed, "from", 3, 96 * MIB);
    let (socket, pid_file) = (volumed.path("qemu.sock"), volumed.path("qemu.pid"));
    let mut qemu_nbd = Command::new(debian("qemu-nbd"));
    qemu_nbd
        .args(["--fork", "--persistent", "--shared=4", "--format=raw"])
        .args(["--discard=unmap", "--cache=none"])
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--pid-file={}", pid_file.display()))
        .arg(volumed.uri("behind"));
    run(&mut qemu_nbd);
    let pid = fs::read_to_string(pid_file).expect("it tells its process id");
    let pid: u32 = pid.trim().parse().expect("a process id");
    let handed_on = format!("nbd+unix:///?socket={}", socket.display());
    let copy = |from: &Path, to: &Path| {
        let mut nbdcopy = Command::new(debian("nbdcopy"));
        run(nbdcopy
            .args(["--flush", "--connections=4"])
            .args([from, to]));
    };
    let (ours, theirs) = (volumed.path("ours"), volumed.path("theirs"));
    copy(&from, Path::new(&handed_on));
    copy(Path::new(&handed_on), &theirs);
    copy(Path::new(&volumed.uri("behind")), &ours);
    kill_process(pid, Signal::SIGTERM);
    assert!(same_bytes(&from, &theirs));
    assert!(same_bytes(&from, &ours));
}

/// Writes with which a daemon is killed, each to another place for as long as there is one.
const WRITES: usize = 600;
const PLACES: usize = 256;
/// How many of them are under way at once.
const DEPTH: usize = 16;

/// The pattern of a write, and its range as qemu-io reads it.
fn pattern(write: usize) -> String {
    format!("-P {} {}k 16k", write % 251 + 1, write * 97 % PLACES * 16)
}

/// qemu's client sends what was not answered again on its next connection. The name is the one that lasts as long as
/// nothing can be lost (V9).
#[test]
fn qemu_goes_on_where_the_daemon_was_killed() {
    let mut volumed = Volumed::start("1GiB");
    volumed.create("kept", "64MiB");
    let exported = volumed.command(&["volume", "export", "kept"]);
    let export = exported["export"].as_str().expect("it has a name");
    let socket = volumed.nbd_socket();
    let image = format!(
        "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={},file.export={export},\
         file.reconnect-delay=600",
        socket.display()
    );
    let mut writer = start_writes(&image);
    let printed = BufReader::new(writer.stdout.take().expect("it is piped"));
    let (mut written, mut kills) = (0, 0);
    for line in printed.lines() {
        let line = line.expect("it can be read");
        assert!(!line.contains("failed"), "{line}\n{}", volumed.log());
        written += usize::from(line.starts_with("wrote"));
        if written / (WRITES / 4) > kills && kills < 3 {
            kills += 1;
            assert!(matches!(writer.try_wait(), Ok(None)), "it ended already");
            volumed.kill();
            volumed.start_again();
        }
    }
    let ended = writer.wait().expect("a child can be waited for");
    assert!(ended.success(), "{ended}");
    assert_eq!((written, kills), (WRITES, 3));
    let last = WRITES - PLACES..WRITES;
    let checks: Vec<String> = last
        .map(|write| format!("read {}", pattern(write)))
        .collect();
    let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
    io(&["--image-opts", &image], &checks);
}

fn start_writes(image: &str) -> Child {
    let mut qemu_io = Command::new(debian("qemu-io"));
    for write in 0..WRITES {
        qemu_io.args(["-c", &format!("aio_write {}", pattern(write))]);
        if (write + 1).is_multiple_of(DEPTH) {
            qemu_io.args(["-c", "aio_flush"]);
        }
    }
    qemu_io.args(["-c", "aio_flush", "-c", "flush"]);
    qemu_io.args(["--image-opts", image]);
    let writer = qemu_io.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    writer.expect("qemu-io can be started")
}
