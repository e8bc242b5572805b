//! Others who store an object while it is changed here: whoever is second is told, and nothing that was
//! stored or written is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;

use crate::opener::Opener;
use crate::operating::waiting;
use crate::others::{soon, within};

/// Where what was written to a file is stored when somebody else was faster.
fn asides(folder: &Path, name: &str) -> Vec<PathBuf> {
    let begin = format!("{name}.conflict-");
    let entries = fs::read_dir(folder).expect("it can be listed");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    let found = names.filter(|found| found.to_string_lossy().starts_with(&begin));
    found.map(|name| folder.join(name)).collect()
}

/// What is in the one that there is.
fn aside(folder: &Path, name: &str) -> Vec<u8> {
    let found = asides(folder, name);
    assert_eq!(found.len(), 1, "{found:?}");
    fs::read(&found[0]).expect("it can be read")
}

#[test]
fn what_others_stored_before_an_upload_is_tried_again_stays() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--wait", "0", "--retry", "1"]);
    let path = |name: &str| at.path().join(name);
    let long = content(1, 300_000);
    fs::write(path("changed"), &long).expect("it can be written");
    let names = ["new", "changed"];
    let mut openers = names.map(|name| Opener::open(&path(name), &["O_CREAT"]));
    assert!(rack.stop().success());
    for opener in &mut openers {
        assert_eq!(opener.does("write ours"), "done");
        assert_eq!(opener.does("sync"), "ETIMEDOUT");
    }

    // As long as somebody may write them, nobody but who does tries it again.
    let rack = site.start();
    let key = |name: &str| format!("{}/{name}", rack.bucket());
    for name in names {
        assert_eq!(rack.s3().put(&key(name), "theirs").status, 200);
    }
    let [mut told, closed] = openers;
    assert_eq!(told.does("sync"), "ESTALE");
    closed.close();
    soon("neither waits any more", || waiting(&at).is_empty());
    for name in names {
        assert_eq!(fs::read(path(name)).expect("it can be read"), b"theirs");
        assert_eq!(rack.s3().get(&key(name)).text(), "theirs");
    }
    assert_eq!(aside(&at.path(), "new"), b"ours");
    let changed = aside(&at.path(), "changed");
    assert!(changed.len() == long.len() && changed.starts_with(b"ours"));
    told.close();
    mounted.unmount();
}

#[test]
fn a_retry_that_nobody_asked_for_replaces_nothing() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--wait", "0", "--retry", "3"]);
    let path = at.path().join("file");
    fs::write(&path, "before").expect("it can be written");
    let key = format!("{}/file", rack.bucket());
    let mut opener = Opener::open(&path, &["O_TRUNC"]);
    assert!(rack.stop().success());
    assert_eq!(opener.does("write ours"), "done");
    opener.close();

    let rack = site.start();
    assert_eq!(rack.s3().put(&key, "theirs").status, 200);
    within(Duration::from_secs(40), "nothing waits any more", || {
        waiting(&at).is_empty()
    });
    assert_eq!(rack.s3().get(&key).text(), "theirs");
    // The retry may have been first.
    let log = at.log();
    if !log.contains("could not be uploaded before now is") {
        assert_eq!(aside(&at.path(), "file"), b"ours", "{log}");
    }
    mounted.unmount();
}

#[test]
fn whoever_gave_way_is_told_whatever_they_do_next() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("file");
    let (s3, key) = (rack.s3(), format!("{}/file", rack.bucket()));
    fs::write(&path, "before").expect("it can be written");
    let [mut first, mut second] = [(); 2].map(|()| Opener::open(&path, &[]));
    assert_eq!(first.does("write ours"), "done");
    assert_eq!(s3.put(&key, "theirs").status, 200);
    // What one of them is told may be told to nobody: a program that ends closes its files.
    assert_eq!(first.does("sync"), "ESTALE");
    for opener in [&mut first, &mut second] {
        for call in ["write more", "sync"] {
            assert_eq!(opener.does(call), "ESTALE", "{call}");
        }
    }
    assert_eq!(s3.get(&key).text(), "theirs");
    first.close();
    second.close();
    // Whoever opens it now sees theirs.
    let mut third = Opener::open(&path, &["O_APPEND"]);
    assert_eq!(third.does("write  and more"), "done");
    assert_eq!(third.does("sync"), "done");
    third.close();
    assert_eq!(s3.get(&key).text(), "theirs and more");
    assert!(aside(&at.path(), "file").starts_with(b"ours"));
    mounted.unmount();
}

#[test]
fn a_copy_by_the_server_replaces_nothing_that_others_store_meanwhile() {
    const ROUNDS: usize = 20;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let bytes = content(1, 3_000_000);
    let source = at.path().join("source");
    fs::write(&source, &bytes).expect("it can be written");
    let (s3, bucket) = (rack.s3(), rack.bucket());
    let copy = format!("copy {}", source.display());
    let mut second = 0;
    for round in 0..ROUNDS {
        let name = format!("copy{round}");
        let key = format!("{bucket}/{name}");
        let mut opener = Opener::open(&at.path().join(&name), &["O_CREAT", "O_EXCL"]);
        let begin = Barrier::new(2);
        let outcome = thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                assert_eq!(s3.put(&key, "theirs").status, 200);
            });
            begin.wait();
            [opener.does(&copy), opener.does("sync")]
        });
        opener.close();
        // Theirs came before the copy, which then is beside it, or replaced it.
        assert_eq!(s3.get(&key).text(), "theirs", "round {round}");
        if outcome == ["done", "done"] {
            assert_eq!(asides(&at.path(), &name), Vec::<PathBuf>::new());
        } else {
            assert_eq!(outcome, ["done", "ESTALE"]);
            assert!(aside(&at.path(), &name) == bytes);
            second += 1;
        }
    }
    eprintln!("{second} of {ROUNDS} copies came second");
    mounted.unmount();
}

#[test]
fn a_copy_into_what_others_replaced_is_refused() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    let bytes = content(1, 3_000_000);
    fs::write(path("source"), &bytes).expect("it can be written");
    let (s3, bucket) = (rack.s3(), rack.bucket());
    let copy = format!("copy {}", path("source").display());
    for (name, before) in [
        ("none", None),
        ("empty", Some("")),
        ("full", Some("before")),
    ] {
        if let Some(before) = before {
            fs::write(path(name), before).expect("it can be written");
        }
        let mut opener = Opener::open(&path(name), &["O_CREAT", "O_TRUNC"]);
        let key = format!("{bucket}/{name}");
        assert_eq!(s3.put(&key, "theirs").status, 200);
        assert_eq!(opener.does(&copy), "done");
        assert_eq!(opener.does("sync"), "ESTALE", "{name}");
        opener.close();
        assert_eq!(s3.get(&key).text(), "theirs");
        assert!(aside(&at.path(), name) == bytes);
    }
    mounted.unmount();
}

#[test]
fn what_is_written_to_a_file_that_others_delete_is_kept() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("file");
    let (s3, key) = (rack.s3(), format!("{}/file", rack.bucket()));
    fs::write(&path, content(1, 300_000)).expect("it can be written");
    let mut opener = Opener::open(&path, &[]);
    assert_eq!(opener.does("write ours"), "done");
    assert_eq!(s3.delete(&key).status, 204);
    assert_eq!(opener.does("sync"), "ESTALE");
    opener.close();
    soon("it is not brought back", || !path.exists());
    assert!(aside(&at.path(), "file").starts_with(b"ours"));
    mounted.unmount();
}
