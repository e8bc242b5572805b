//! ext4 and XFS on a volume, mounted by the kernel.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use hayrack_e2e::clients::{cargo, run, source};
use hayrack_e2e::random::{content, seed};
use hayrack_e2e::volumed::Volumed;

use crate::MIB;
use crate::mounted::Device;

/// How to make one, check it and mend it.
struct Kind {
    make: &'static [&'static str],
    check: &'static [&'static str],
    mend: &'static [&'static str],
}

/// A first look of the kernel at inode tables that were not zeroed would write while space is counted.
const EXT4: Kind = Kind {
    make: &[
        "mkfs.ext4",
        "-q",
        "-F",
        "-E",
        "lazy_itable_init=0,lazy_journal_init=0",
    ],
    check: &["e2fsck", "-f", "-n"],
    mend: &["e2fsck", "-f", "-y"],
};
const XFS: Kind = Kind {
    make: &["mkfs.xfs", "-q", "-f"],
    check: &["xfs_repair", "-n"],
    mend: &["xfs_repair"],
};

const FILE: usize = 4 * MIB;

/// Writes files, each durable before the next, until one is refused; answers how many there are.
fn fill(folder: &Path) -> (u64, io::Error) {
    for index in 0.. {
        let path = folder.join(index.to_string());
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&content(index, FILE))?;
            file.sync_all()
        });
        if let Err(refused) = written {
            return (index, refused);
        }
    }
    unreachable!("a file system fills up")
}

fn assert_whole(folder: &Path, files: impl Iterator<Item = u64>) {
    for index in files {
        let bytes = fs::read(folder.join(index.to_string())).expect("it can be read");
        assert!(bytes == content(index, FILE), "file {index} is not whole");
    }
}

/// Gives back to the pool what a file system does not use. XFS frees what was removed, and discards what is
/// free, some time after it was asked to, but before it is unmounted.
fn trim(device: &Device) {
    let mounted = device.mount("defaults");
    mounted.trim();
    mounted.unmount();
}

/// Fills it, empties it, and sees its space in the pool again.
fn fills_and_empties(kind: &Kind) {
    let volumed = Volumed::start("2GiB");
    volumed.create("fs", "400MiB");
    let device = Device::attach(&volumed, "fs");
    device.run(kind.make);
    // What mkfs wrote and left free may be written over.
    trim(&device);
    let empty = volumed.used();
    let mounted = device.mount("defaults");
    let (files, refused) = fill(mounted.path());
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull, "{refused}");
    let full = volumed.used();
    assert!(
        files > 50 && full >= empty + files * FILE as u64,
        "{files} files, {full} in use, {empty} before"
    );
    mounted.unmount();

    let mounted = device.mount("defaults");
    assert_whole(mounted.path(), 0..files);
    // What is freed between them differs in length: of free runs of one length in an allocation group, XFS of
    // Linux 6.18 trims one and passes over the others.
    let kept = |index: &u64| index.isqrt().pow(2) == *index;
    for index in (0..=files).filter(|index| !kept(index)) {
        // The last one may not even have been made.
        let _ = fs::remove_file(mounted.file(&index.to_string()));
    }
    mounted.unmount();
    trim(&device);
    let room = empty + (files.isqrt() + 1) * FILE as u64 + 8 * MIB as u64;
    assert!(
        volumed.used() <= room,
        "{} of {full} are in use",
        volumed.used()
    );

    let mounted = device.mount("ro");
    assert_whole(mounted.path(), (0..files).filter(kept));
    mounted.unmount();
    device.run(kind.check);
}

/// The pool is full before the file system is: what was durable stays, and once there is room again
/// the file system is as it was.
fn outlives_a_full_pool(kind: &Kind) {
    let mut volumed = Volumed::start("400MiB");
    for (name, size) in [("fs", "1GiB"), ("ballast", "100MiB")] {
        volumed.create(name, size);
    }
    let ballast = volumed.path("bytes");
    fs::write(&ballast, content(1, 100 * MIB)).expect("a file can be written");
    run(Command::new("nbdcopy")
        .arg(&ballast)
        .arg(volumed.uri("ballast")));
    let device = Device::attach(&volumed, "fs");
    device.run(kind.make);
    let mounted = device.mount("defaults");
    let (files, refused) = fill(mounted.path());
    assert!(files > 10, "full after {files}: {refused}");
    mounted.unmount();
    drop(device);

    volumed.kill();
    volumed.start_again();
    volumed.command(&["volume", "delete", "ballast", "--yes"]);
    let device = Device::attach(&volumed, "fs");
    // Mounting replays the journal, without which mending would begin by throwing it away.
    device.mount("defaults").unmount();
    run(Command::new("sh")
        .args(["-c", "\"$@\" || test $? -eq 1", "sh"])
        .args(kind.mend)
        .arg(device.name()));
    device.run(kind.check);
    let mounted = device.mount("defaults");
    assert_whole(mounted.path(), 0..files);
    let again = mounted.file("again");
    fs::create_dir(&again).expect("a folder can be made");
    // Of the 25 that fit into the ballast's place, XFS's log takes some.
    let more = fill(&again).0;
    assert!(more > 10, "there is room for {more} more");
    mounted.unmount();
}

fn fsx(kind: &Kind) {
    let volumed = Volumed::start("2GiB");
    volumed.create("fs", "400MiB");
    let device = Device::attach(&volumed, "fs");
    device.run(kind.make);
    let mounted = device.mount("discard");
    let mut fsx = Command::new(cargo("fsx"));
    fsx.arg("-f").arg(source().join("mount/fsx.toml")).args([
        "-N",
        "10000",
        "-S",
        &seed().to_string(),
    ]);
    run(fsx.arg(mounted.file("file")));
    mounted.unmount();
    device.run(kind.check);
}

#[test]
#[ignore = "make test-clients"]
fn ext4_fills_and_empties() {
    fills_and_empties(&EXT4);
}

#[test]
#[ignore = "make test-clients"]
fn xfs_fills_and_empties() {
    fills_and_empties(&XFS);
}

#[test]
#[ignore = "make test-clients"]
fn ext4_outlives_a_full_pool() {
    outlives_a_full_pool(&EXT4);
}

#[test]
#[ignore = "make test-clients"]
fn xfs_outlives_a_full_pool() {
    outlives_a_full_pool(&XFS);
}

#[test]
#[ignore = "make test-clients"]
fn fsx_finds_no_byte_out_of_place_on_ext4() {
    fsx(&EXT4);
}

#[test]
#[ignore = "make test-clients"]
fn fsx_finds_no_byte_out_of_place_on_xfs() {
    fsx(&XFS);
}
