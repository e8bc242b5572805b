//! What is read is kept on this machine's disk, and what can be wrong with it there.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hayrack_e2e::mounted::{MountPoint, Mounted};
use hayrack_e2e::rack::{Rack, Site};
use hayrack_e2e::random::content;
use tempfile::TempDir;

use crate::listings::answered;
use crate::others::{LONG, soon};

const MIB: usize = 1 << 20;

fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("hayrack-").tempdir();
    folder.expect("a temporary folder can be made")
}

fn mount<'a>(at: &'a MountPoint, rack: &Rack<'_>, cache: &Path, more: &[&str]) -> Mounted<'a> {
    let cache = cache.to_str().expect("it is UTF-8");
    at.mount(rack, &[&["--cache", cache], more].concat())
}

/// How many times the server was asked for bytes.
fn gets(site: &Site) -> u64 {
    answered(site, &["GetObject"])
}

fn put(rack: &Rack<'_>, name: &str, bytes: &[u8]) {
    let path = format!("{}/{name}", rack.bucket());
    assert_eq!(rack.s3().put(&path, bytes).status, 200);
}

/// The files of a cache that hold objects.
fn objects(cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(objects(&path));
        } else if path.extension().is_some_and(|it| it == "object") {
            found.push(path);
        }
    }
    found
}

/// How many bytes of the disk a cache takes.
fn taken(cache: &Path) -> u64 {
    let files = objects(cache).into_iter();
    let blocks = files.map(|path| fs::metadata(path).expect("it is there").blocks());
    blocks.sum::<u64>() * 512
}

fn assert_reads(at: &MountPoint, name: &str, expected: &[u8]) {
    let found = fs::read(at.path().join(name)).expect("it can be read");
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{name} has {} bytes, first difference at {first:?}",
        found.len()
    );
}

#[test]
fn what_was_read_is_not_asked_of_the_server_again() {
    let (site, cache, at) = (Site::new(), folder(), MountPoint::new());
    let rack = site.start();
    let (large, small) = (content(1, 20 * MIB + 12_345), content(2, 100));
    put(&rack, "large", &large);
    put(&rack, "small", &small);
    let mounted = mount(&at, &rack, cache.path(), &[]);
    assert_reads(&at, "large", &large);
    assert_reads(&at, "small", &small);
    mounted.unmount();
    assert!(gets(&site) > 1);

    let before = gets(&site);
    let mounted = mount(&at, &rack, cache.path(), &[]);
    assert_reads(&at, "large", &large);
    assert_reads(&at, "small", &small);
    mounted.unmount();
    assert_eq!(gets(&site), before);
    assert!(!at.log().contains("the cache:"), "{}", at.log());
}

#[test]
fn a_part_that_was_read_is_kept_without_the_rest() {
    let (site, cache, at) = (Site::new(), folder(), MountPoint::new());
    let rack = site.start();
    let bytes = content(1, 64 * MIB);
    put(&rack, "large", &bytes);
    let places = [50 * MIB + 1, 20 * MIB - 5, 64 * MIB - 100];
    let read = |length: usize| {
        let file = File::open(at.path().join("large")).expect("it can be opened");
        for place in places {
            let mut found = vec![0; length];
            let read = file.read_exact_at(&mut found, place as u64);
            read.expect("it can be read");
            assert!(found == bytes[place..place + length]);
        }
    };
    let mounted = mount(&at, &rack, cache.path(), &[]);
    read(100);
    mounted.unmount();
    assert!(taken(cache.path()) < 4 * MIB as u64);
    let before = gets(&site);
    let mounted = mount(&at, &rack, cache.path(), &[]);
    read(50);
    mounted.unmount();
    assert_eq!(gets(&site), before);
    // What is there and what is not, in one read.
    let mounted = mount(&at, &rack, cache.path(), &[]);
    assert_reads(&at, "large", &bytes);
    mounted.unmount();
}

#[test]
fn what_is_damaged_is_not_shown() {
    let (site, cache, at) = (Site::new(), folder(), MountPoint::new());
    let rack = site.start();
    let files: Vec<_> = (0..5).map(|tag| content(tag, 3 * MIB + 7)).collect();
    let name = |number: usize| format!("file{number}");
    for (number, bytes) in files.iter().enumerate() {
        put(&rack, &name(number), bytes);
    }
    let read = || {
        let mounted = mount(&at, &rack, cache.path(), &[]);
        for (number, bytes) in files.iter().enumerate() {
            assert_reads(&at, &name(number), bytes);
        }
        mounted.unmount();
    };
    read();
    let kept = objects(cache.path());
    assert_eq!(kept.len(), files.len());
    let write = |number: usize, bytes: &[u8], at: u64| {
        let file = File::options().write(true).open(&kept[number]);
        let file = file.expect("it can be opened");
        file.write_all_at(bytes, at).expect("it can be written");
        file
    };
    // A byte among the chunks, a hole, a file that ends early, one of zeros, and one that is another's.
    write(0, b"x", 2 << 20);
    write(1, &[0; 8192], 1 << 20);
    let cut = write(2, b"", 0).set_len(2 << 20);
    cut.expect("it can be cut");
    fs::write(&kept[3], vec![0; 3 << 20]).expect("it can be written");
    fs::copy(&kept[0], &kept[4]).expect("it can be copied");
    let foreign = kept[0].with_file_name("foreign");
    fs::write(&foreign, "mine").expect("it can be written");
    read();
    assert!(at.log().contains("damaged"), "{}", at.log());
    assert_eq!(fs::read(foreign).expect("it is there"), b"mine");

    // Now all is whole again.
    let before = gets(&site);
    read();
    assert_eq!(gets(&site), before);
}

#[test]
fn what_was_replaced_is_not_shown_from_the_cache() {
    let (site, cache, at) = (Site::new(), folder(), MountPoint::new());
    let rack = site.start();
    let versions: Vec<_> = (0..4).map(|tag| content(tag, 2 * MIB)).collect();
    put(&rack, "file", &versions[0]);
    let mounted = mount(&at, &rack, cache.path(), &[]);
    assert_reads(&at, "file", &versions[0]);
    mounted.unmount();
    put(&rack, "file", &versions[1]);
    let mounted = mount(&at, &rack, cache.path(), &LONG);
    assert_reads(&at, "file", &versions[1]);

    // By others while it is open. An opener has what it has read; so each one reads on just once.
    let open = || File::open(at.path().join("file")).expect("it can be opened");
    let is = |file: &File, place: usize, expected: &[u8]| {
        let mut found = vec![0; 4096];
        let read = file.read_exact_at(&mut found, place as u64);
        read.is_ok() && found == expected[place..place + 4096]
    };
    let openers: Vec<_> = (0..100).map(|_| open()).collect();
    for opener in &openers {
        assert!(is(opener, 0, &versions[1]));
    }
    put(&rack, "file", &versions[2]);
    let changed = openers.iter().any(|opener| {
        thread::sleep(Duration::from_millis(100));
        is(opener, MIB + MIB / 2, &versions[2])
    });
    assert!(changed, "those who have a file open read on in the new one");
    drop(openers);

    // Here; and back by others, to the bytes that are kept.
    fs::write(at.path().join("file"), &versions[3]).expect("it can be written");
    assert_reads(&at, "file", &versions[3]);
    put(&rack, "file", &versions[1]);
    soon("a changed file is seen", || is(&open(), 0, &versions[1]));
    assert_reads(&at, "file", &versions[1]);
    mounted.unmount();
}

#[test]
fn the_limit_holds_and_what_was_used_last_stays() {
    let (site, cache, at) = (Site::new(), folder(), MountPoint::new());
    let rack = site.start();
    let name = |number: usize| format!("file{number}");
    let bytes = |number: usize| content(number as u64, MIB);
    for number in 0..6 {
        put(&rack, &name(number), &bytes(number));
    }
    let mounted = mount(&at, &rack, cache.path(), &["--cache-size", "3200K"]);
    for number in 0..6 {
        assert_reads(&at, &name(number), &bytes(number));
    }
    mounted.unmount();
    assert!(taken(cache.path()) <= 3200 << 10);
    let before = gets(&site);
    let mounted = mount(&at, &rack, cache.path(), &["--cache-size", "3200K"]);
    for number in 3..6 {
        assert_reads(&at, &name(number), &bytes(number));
    }
    assert_eq!(gets(&site), before);
    mounted.unmount();
    // With less room, and more than fits: some of it stays.
    let large = content(9, 5 * MIB);
    put(&rack, "large", &large);
    let mounted = mount(&at, &rack, cache.path(), &["--cache-size", "2M"]);
    assert_reads(&at, "large", &large);
    mounted.unmount();
    let taken = taken(cache.path());
    assert!((1 << 20..=2 << 20).contains(&taken), "{taken}");
}

#[test]
fn two_mounts_share_the_folder_and_a_lost_folder_costs_nothing_but_time() {
    let (site, cache) = (Site::new(), folder());
    let (here, there) = (MountPoint::new(), MountPoint::new());
    let rack = site.start();
    let bytes = content(1, 5 * MIB);
    put(&rack, "file", &bytes);
    let mounts = [&here, &there].map(|at| mount(at, &rack, cache.path(), &[]));
    for at in [&here, &there] {
        assert_reads(at, "file", &bytes);
    }
    soon("each keeps it", || objects(cache.path()).len() == 2);

    fs::remove_dir_all(cache.path()).expect("it can be removed");
    for tag in 2..5 {
        let (name, bytes) = (format!("file{tag}"), content(tag, 3 * MIB));
        put(&rack, &name, &bytes);
        // What the mount has listed holds until the feed says something else.
        soon("it is seen", || here.path().join(&name).exists());
        assert_reads(&here, &name, &bytes);
    }
    mounts.into_iter().for_each(Mounted::unmount);
    assert_eq!(
        here.log().matches("the cache:").count(),
        1,
        "{}",
        here.log()
    );
    fs::create_dir(cache.path()).expect("it can be made again");
}
