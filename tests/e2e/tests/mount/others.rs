//! Several who use one bucket.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::http::Request;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::{Rack, Site};
use hayrack_e2e::random::content;

use crate::listings::asked;

/// Waits until something holds; a second is promised, and a slow machine gets more.
pub fn soon(what: &str, holds: impl Fn() -> bool) {
    within(Duration::from_secs(10), what, holds);
}

/// Waits that long until something holds.
pub fn within(limit: Duration, what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What is known here would be taken to hold for an hour, if the feed did not say otherwise.
pub const LONG: [&str; 2] = ["--fresh", "3600000"];

#[test]
fn what_others_change_is_seen_here() {
    let site = Site::new();
    let rack = site.start();
    let (here, there) = (MountPoint::new(), MountPoint::new());
    let (ours, theirs) = (here.mount(&rack, &LONG), there.mount(&rack, &LONG));
    let s3 = rack.s3();
    let key = |name: &str| format!("{}/{name}", rack.bucket());
    let path = |name: &str| here.path().join(name);
    let is = |name: &str, expected: &[u8]| fs::read(path(name)).is_ok_and(|it| it == expected);

    assert!(!path("new").exists());
    assert_eq!(s3.put(&key("new"), "by an SDK").status, 200);
    soon("a new object is seen", || is("new", b"by an SDK"));
    assert_eq!(s3.put(&key("new"), "changed by it").status, 200);
    soon("a changed one is seen", || is("new", b"changed by it"));
    fs::write(there.path().join("new"), "by another mount").expect("it can be written");
    soon("what another mount wrote is seen", || {
        is("new", b"by another mount")
    });
    let mode = || fs::metadata(path("new")).expect("it is there").mode() & 0o777;
    assert_ne!(mode(), 0o600);
    let mut permissions = fs::metadata(there.path().join("new"))
        .expect("it is there")
        .permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(there.path().join("new"), permissions).expect("it can be changed");
    soon("its permissions are seen", || mode() == 0o600);

    fs::create_dir(there.path().join("folder")).expect("a folder can be made");
    fs::write(there.path().join("folder/below"), "below").expect("it can be written");
    soon("what is in a new folder is seen", || {
        is("folder/below", b"below")
    });
    fs::rename(there.path().join("folder"), there.path().join("moved")).expect("it can be moved");
    soon("a folder that moved is seen", || {
        is("moved/below", b"below") && !path("folder").exists()
    });
    assert_eq!(s3.delete(&key("new")).status, 204);
    soon("a deleted object is gone", || !path("new").exists());
    ours.unmount();
    theirs.unmount();
}

#[test]
fn an_open_file_shows_what_others_make_of_it() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    let s3 = rack.s3();
    let key = format!("{}/log", rack.bucket());
    let (short, long) = (content(1, 1_000_000), content(1, 3_000_000));
    assert_eq!(s3.put(&key, short.clone()).status, 200);
    let path = at.path().join("log");
    soon("it is there", || path.exists());
    let mut file = File::open(&path).expect("it can be opened");
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("it can be read");
    assert!(found == short);
    assert_eq!(s3.put(&key, long.clone()).status, 200);
    soon("it gets longer", || {
        file.metadata().is_ok_and(|it| it.size() == 3_000_000)
    });
    file.read_to_end(&mut found).expect("it can be read on");
    assert!(found == long, "what is read on is of the new one");
    let other = content(2, 3_000_000);
    assert_eq!(s3.put(&key, other.clone()).status, 200);
    soon("what was read is read anew", || {
        let mut bytes = [0; 1000];
        let read = file.read_exact_at(&mut bytes, 2_500_000);
        read.is_ok() && bytes == other[2_500_000..2_501_000]
    });
    assert_eq!(s3.delete(&key).status, 204);
    let gone = || file.read_exact_at(&mut [0; 10], 0).is_err();
    soon("what is gone cannot be read", gone);
    drop(file);
    mounted.unmount();
}

/// Waits until a mount follows the change feed.
fn followed(rack: &Rack<'_>, at: &MountPoint) {
    soon("the feed is read", || {
        let name = format!("seen {:?}", Instant::now());
        let key = format!(
            "{}/{}",
            rack.bucket(),
            hayrack_e2e::http::percent_encode(name.as_bytes())
        );
        rack.s3().put(&key, "");
        thread::sleep(Duration::from_millis(50));
        at.path().join(name).exists()
    });
}

#[test]
fn a_name_that_was_given_up_here_is_not_asked_for_until_others_use_it() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    followed(&rack, &at);
    let [one, other, third] = ["one", "other", "third"].map(|name| at.path().join(name));
    fs::write(&one, "bytes").expect("it can be written");
    fs::write(&third, "more").expect("it can be written");
    let before = asked(&site);
    for _ in 0..10 {
        fs::rename(&one, &other).expect("it can be renamed");
        fs::rename(&other, &one).expect("it can be renamed back");
    }
    fs::remove_file(&third).expect("it can be removed");
    assert!(!third.exists() && !other.exists());
    // Once for the other name, and for what the feed says too late.
    let questions = asked(&site) - before;
    assert!(questions < 20, "{questions} questions for 20 renames");
    for name in ["other", "third/below"] {
        let put = rack.s3().put(&format!("{}/{name}", rack.bucket()), name);
        assert_eq!(put.status, 200);
        soon("what others put there is seen", || {
            fs::read(at.path().join(name)).is_ok_and(|it| it == name.as_bytes())
        });
    }
    // What is made here under such a name is there, however it is made.
    fs::remove_file(&other).expect("it can be removed");
    std::os::unix::fs::symlink("one", &other).expect("a link can be made");
    assert_eq!(fs::read(&other).expect("it leads to a file"), b"bytes");
    fs::remove_file(&other).expect("it can be removed");
    fs::create_dir(&other).expect("a directory can be made");
    fs::rename(&one, other.join("one")).expect("it can be moved there");
    assert_eq!(fs::read(other.join("one")).expect("it is there"), b"bytes");
    assert!(!one.exists());
    mounted.unmount();
}

#[test]
fn a_file_becomes_a_directory_when_others_put_keys_below_it() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    followed(&rack, &at);
    let put = |name: &str| rack.s3().put(&format!("{}/{name}", rack.bucket()), "x");
    assert_eq!(put("name").status, 200);
    let path = at.path().join("name");
    soon("it is a file", || path.is_file());
    assert_eq!(put("name/below").status, 200);
    soon("it is a directory", || path.join("below").is_file());
    mounted.unmount();
}

#[test]
fn what_is_done_here_is_not_asked_for_again() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &LONG);
    followed(&rack, &at);
    for number in 0..50 {
        let path = at.path().join(format!("file {number}"));
        fs::write(&path, content(number, 100)).expect("it can be written");
        assert_eq!(fs::metadata(&path).expect("it is there").size(), 100);
        fs::rename(&path, at.path().join("renamed")).expect("it can be renamed");
        let read = fs::read(at.path().join("renamed")).expect("it can be read");
        assert!(read == content(number, 100));
    }
    mounted.unmount();
}

#[test]
fn a_folder_is_renamed_at_once_and_everybody_sees_it() {
    let site = Site::new();
    let rack = site.start();
    let (here, there) = (MountPoint::new(), MountPoint::new());
    let (ours, theirs) = (here.mount(&rack, &LONG), there.mount(&rack, &LONG));
    let s3 = rack.s3();
    fs::create_dir_all(here.path().join("old/deep/deeper")).expect("folders can be made");
    let names = ["old/a", "old/deep/b", "old/deep/deeper/c"];
    for name in names {
        fs::write(here.path().join(name), name).expect("it can be written");
    }
    let new = |name: &str| name.replace("old", "new");
    soon("all is seen over there", || {
        names.iter().all(|name| there.path().join(name).exists())
    });
    let mut open = File::options()
        .append(true)
        .open(here.path().join("old/deep/b"))
        .expect("it can be opened");
    open.write_all(b", changed").expect("it can be written");
    // An empty directory gives way, and another does not.
    for folder in ["new", "full", "full/1"] {
        fs::create_dir(here.path().join(folder)).expect("a folder can be made");
    }
    let full = fs::rename(here.path().join("old"), here.path().join("full"));
    let full = full.expect_err("something is in the way");
    assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
    let before = Instant::now();
    fs::rename(here.path().join("old"), here.path().join("new")).expect("it can be renamed");
    soon("it is seen over there", || {
        let moved = |name: &&str| {
            let read = fs::read(there.path().join(new(name)));
            read.is_ok_and(|read| read.starts_with(name.as_bytes()))
        };
        names.iter().all(moved) && !there.path().join("old").exists()
    });
    eprintln!("renamed and seen within {:?}", before.elapsed());
    open.sync_all().expect("what is open is stored");
    let stored = s3.get(&format!("{}/new/deep/b", rack.bucket()));
    assert_eq!(stored.text(), "old/deep/b, changed");
    for name in names {
        assert_eq!(s3.get(&format!("{}/{name}", rack.bucket())).status, 404);
        assert!(!here.path().join(name).exists());
        let read = fs::read_to_string(here.path().join(new(name))).expect("it is there");
        assert!(read.starts_with(name));
    }
    soon("what was stored later is seen", || {
        fs::read(there.path().join("new/deep/b")).is_ok_and(|it| it == b"old/deep/b, changed")
    });
    drop(open);
    // What others rename is seen here, too.
    let back = Request::new("PUT", format!("{}/back/?renamePrefix", rack.bucket()))
        .header("x-amz-rename-source", "new/deep/");
    assert_eq!(s3.send(back).status, 200);
    soon("what an SDK renamed is seen", || {
        here.path().join("back/deeper/c").exists() && !here.path().join("new/deep").exists()
    });
    ours.unmount();
    theirs.unmount();
}

#[test]
fn others_are_told_what_a_new_file_is_by_its_name() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let s3 = rack.s3();
    let path = |name: &str| at.path().join(name);
    let key = |name: &str| format!("{}/{name}", rack.bucket());
    let content_type = |name: &str| {
        let answer = s3.send(Request::new("HEAD", key(name)));
        assert_eq!(answer.status, 200, "{name}");
        answer.header("content-type").map(str::to_owned)
    };
    let is = |name: &str, expected: &str| {
        assert_eq!(content_type(name).as_deref(), Some(expected), "{name}");
    };
    let others_own = Request::new("PUT", key("theirs.txt"))
        .header("content-type", "text/x-theirs")
        .body("theirs");
    assert_eq!(s3.send(others_own).status, 200);

    fs::write(path("notes.txt"), "text").expect("it can be written");
    fs::write(path("photo.JPG"), content(1, 10_000_000)).expect("it can be written");
    fs::write(path("no type"), "bytes").expect("it can be written");
    is("notes.txt", "text/plain");
    is("photo.JPG", "image/jpeg");
    // What it is does not change with its bytes, its attributes or its name.
    fs::write(path("notes.txt"), "other text").expect("it can be written");
    fs::rename(path("notes.txt"), path("notes.html")).expect("it can be renamed");
    is("notes.html", "text/plain");
    fs::write(path("theirs.txt"), "ours").expect("it can be written");
    is("theirs.txt", "text/x-theirs");
    assert_ne!(content_type("no%20type").as_deref(), Some("text/plain"));
    mounted.unmount();
}
