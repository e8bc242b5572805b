//! Directories of many files, and what they cost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::{Rack, Site};

use crate::operating::{metric, page};
use crate::others::{LONG, soon};

const MANY: usize = 300;

/// How many requests of these operations the server has answered.
pub fn answered(site: &Site, operations: &[&str]) -> u64 {
    let request = Request::new("GET", "/metrics").header("host", site.api.to_string());
    let metrics = exchange(site.api, &request).expect("metrics").text();
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("s3d_requests_total{"));
    let named = lines.filter(|line| {
        let named = |operation: &&str| line.contains(&format!("operation=\"{operation}\""));
        operations.iter().any(named)
    });
    let counts = named.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

/// Questions about objects and directories.
pub fn asked(site: &Site) -> u64 {
    answered(site, &["HeadObject", "ListObjectsV2"])
}

/// Puts files into `many/`, each third with a mode of its own, and folders with markers.
fn put_many(rack: &Rack<'_>) {
    let s3 = rack.s3();
    let path = |name: &str| format!("{}/many/{name}", rack.bucket());
    for number in 0..MANY {
        let mut put =
            Request::new("PUT", path(&format!("file{number:04}"))).body("x".repeat(number));
        if number.is_multiple_of(3) {
            put = put
                .header("x-amz-meta-mode", "33184")
                .header("x-amz-meta-mtime", "1000000000");
        }
        assert_eq!(s3.send(put).status, 200);
    }
    let marker = Request::new("PUT", path("folder/")).header("x-amz-meta-mode", "16832");
    assert_eq!(s3.send(marker).status, 200);
    assert_eq!(s3.put(&path("implied/below"), "x").status, 200);
}

fn check(at: &MountPoint, number: usize) {
    let path = at.path().join(format!("many/file{number:04}"));
    let metadata = fs::symlink_metadata(&path).expect("it is there");
    assert_eq!(metadata.size(), number as u64);
    if number.is_multiple_of(3) {
        assert_eq!(
            (metadata.mode(), metadata.mtime()),
            (0o100_640, 1_000_000_000)
        );
    }
}

/// Waits until the mount follows the feed.
fn wait_for_feed(rack: &Rack<'_>, at: &MountPoint) {
    soon("the feed is read", || {
        let name = format!("seen{}", rand_name());
        rack.s3().put(&format!("{}/{name}", rack.bucket()), "");
        thread::sleep(Duration::from_millis(50));
        at.path().join(name).exists()
    });
    thread::sleep(Duration::from_millis(300));
}

fn rand_name() -> u128 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_nanos()
}

#[test]
fn a_directory_that_is_listed_needs_no_questions_about_its_files() {
    let site = Site::new();
    let rack = site.start();
    put_many(&rack);
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    wait_for_feed(&rack, &at);
    let before = asked(&site);
    let entries = fs::read_dir(at.path().join("many")).expect("it can be listed");
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry.expect("it can be listed");
        let metadata = entry.metadata().expect("it is there");
        let name = entry.file_name().into_string().expect("a name");
        found.insert(name, metadata);
    }
    assert_eq!(found.len(), MANY + 2);
    (0..MANY).for_each(|number| check(&at, number));
    assert_eq!(found["folder"].permissions().mode(), 0o40_700);
    assert!(found["implied"].is_dir());
    let asked = asked(&site) - before;
    assert!((1..10).contains(&asked), "{asked} requests");
    mounted.unmount();
}

#[test]
fn many_questions_about_one_directory_become_one() {
    let site = Site::new();
    let rack = site.start();
    put_many(&rack);
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    wait_for_feed(&rack, &at);
    let before = asked(&site);
    (0..MANY).for_each(|number| check(&at, number));
    for number in 0..MANY {
        let absent = at.path().join(format!("many/absent{number}"));
        assert!(!absent.exists());
    }
    let asked = asked(&site) - before;
    assert!((1..50).contains(&asked), "{asked} requests");
    mounted.unmount();
}

#[test]
fn what_was_listed_is_not_believed_when_it_changed() {
    let site = Site::new();
    let rack = site.start();
    put_many(&rack);
    let (at, other) = (MountPoint::new(), MountPoint::new());
    let (mounted, others) = (at.mount(&rack, &LONG), other.mount(&rack, &LONG));
    wait_for_feed(&rack, &at);
    let many = at.path().join("many");
    assert_eq!(fs::read_dir(&many).expect("it is listed").count(), MANY + 2);
    let s3 = rack.s3();
    let key = |name: &str| format!("{}/many/{name}", rack.bucket());
    let size = |name: &str| fs::metadata(many.join(name)).map(|it| it.size()).ok();
    assert_eq!(s3.put(&key("file0001"), "changed").status, 200);
    assert_eq!(s3.put(&key("new"), "new").status, 200);
    assert_eq!(s3.put(&key("fresh/below"), "new").status, 200);
    assert_eq!(s3.delete(&key("file0002")).status, 204);
    assert_eq!(s3.delete(&key("implied/below")).status, 204);
    soon("what others changed is seen", || {
        size("file0001") == Some(7)
            && size("new") == Some(3)
            && many.join("fresh").is_dir()
            && size("file0002").is_none()
            && !many.join("implied").exists()
    });
    // What is changed here is so at once, listed before or not.
    fs::write(many.join("file0003"), "here").expect("it can be written");
    fs::remove_file(many.join("file0004")).expect("it can be removed");
    fs::rename(many.join("file0005"), many.join("moved")).expect("it can be renamed");
    fs::set_permissions(many.join("file0006"), fs::Permissions::from_mode(0o600))
        .expect("it can be changed");
    fs::write(many.join("made"), "made").expect("it can be written");
    let look = || {
        assert_eq!((size("file0003"), size("file0004")), (Some(4), None));
        assert_eq!((size("file0005"), size("moved")), (None, Some(5)));
        assert_eq!(size("made"), Some(4));
        let metadata = fs::metadata(many.join("file0006")).expect("it is there");
        assert_eq!(metadata.mode() & 0o777, 0o600);
    };
    look();
    // 300 and two folders; removed 2, moved 1 to 1, new, fresh and made, and implied is gone.
    assert_eq!(fs::read_dir(&many).expect("it is listed").count(), MANY + 2);
    look();
    let names = |at: &MountPoint| {
        let entries = fs::read_dir(at.path().join("many")).expect("it is listed");
        let names = entries.map(|entry| entry.expect("it is listed").file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    soon("both see the same", || names(&at) == names(&other));
    mounted.unmount();
    others.unmount();
}

#[test]
fn a_list_of_names_makes_no_file_known() {
    const NAMES: usize = 1500;
    let site = Site::new();
    let rack = site.start();
    let s3 = rack.s3();
    let folder = format!("{}/names", rack.bucket());
    for number in 0..NAMES {
        assert_eq!(s3.put(&format!("{folder}/{number:04}"), "").status, 200);
    }
    let at = MountPoint::new();
    let address = free_address();
    let mounted = at.mount(&rack, &["--metrics", &address.to_string()]);
    let listed = fs::read_dir(at.path().join("names")).expect("it can be listed");
    assert_eq!(listed.count(), NAMES);
    let known = metric(&page(address), "fused_known_inodes");
    // The kernel asks for the first page of them as if it wanted to know more.
    assert!(known < NAMES as f64, "{known}");
    mounted.unmount();
}

/// Reads a file of [`put_many`] that nobody changed.
fn read(at: &MountPoint, number: usize) {
    let path = at.path().join(format!("many/file{number:04}"));
    assert_eq!(
        fs::read(path).expect("it is there"),
        "x".repeat(number).as_bytes()
    );
}

#[test]
fn small_files_are_fetched_once_in_whatever_order_they_are_read() {
    let site = Site::new();
    let rack = site.start();
    put_many(&rack);
    for stride in [1, 7] {
        let at = MountPoint::new();
        let mounted = at.mount(&rack, &LONG);
        wait_for_feed(&rack, &at);
        let before = answered(&site, &["GetObject"]);
        (0..MANY).for_each(|number| read(&at, number * stride % MANY));
        let fetched = answered(&site, &["GetObject"]) - before;
        assert!(fetched < MANY as u64, "one is empty: {fetched}");
        mounted.unmount();
    }
}

#[test]
fn what_was_fetched_ahead_is_not_read_when_it_changed() {
    let site = Site::new();
    let rack = site.start();
    put_many(&rack);
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    wait_for_feed(&rack, &at);
    (0..100).for_each(|number| read(&at, number));
    let path = |number| at.path().join(format!("many/file{number:04}"));
    let key = format!("{}/many/file0101", rack.bucket());
    assert_eq!(rack.s3().put(&key, "changed").status, 200);
    fs::write(path(102), "here").expect("it can be written");
    read(&at, 100);
    soon("what others changed is seen", || {
        fs::read(path(101)).is_ok_and(|it| it == b"changed")
    });
    assert_eq!(fs::read(path(102)).expect("it is there"), b"here");
    (103..MANY).for_each(|number| read(&at, number));
    mounted.unmount();
}
