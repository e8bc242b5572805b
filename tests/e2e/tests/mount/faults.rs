//! What goes wrong: crashes, servers that are away, others who change the same object, wrong settings.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;
use nix::errno::Errno;

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().expect("the kernel said it"))
}

fn assert_same(found: &[u8], expected: &[u8]) {
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    let lengths = (found.len(), expected.len());
    assert!(
        found == expected,
        "{lengths:?}, first difference at {first:?}"
    );
}

#[test]
fn what_was_written_before_a_crash_is_uploaded_at_the_next_mount() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    let whole = content(1, 12_000_000);
    fs::write(path("stored"), &whole).expect("a file can be written");
    let new = File::create(path("new")).expect("a file can be made");
    new.write_all_at(&whole, 0).expect("it can be written");
    let changed = OpenOptions::new().write(true).open(path("stored"));
    let changed = changed.expect("a file can be opened");
    changed
        .write_all_at(b"changed", 5_000_000)
        .expect("it can be written");
    changed.set_len(11_000_000).expect("it can be cut");
    mounted.kill();
    drop((new, changed));

    let mounted = at.mount(&rack, &[]);
    assert_same(&fs::read(path("new")).expect("it can be read"), &whole);
    let mut expected = whole.clone();
    expected[5_000_000..5_000_007].copy_from_slice(b"changed");
    expected.truncate(11_000_000);
    assert_same(
        &fs::read(path("stored")).expect("it can be read"),
        &expected,
    );
    mounted.unmount();
    assert!(at.log().contains("uploaded=2"), "{}", at.log());
}

#[test]
fn a_removed_file_is_not_brought_back_by_a_crash() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("file");
    let mut open = File::create_new(&path).expect("a file can be made");
    open.write_all(b"bytes").expect("it can be written");
    fs::remove_file(&path).expect("it can be removed");
    open.write_all(b" and more").expect("it can be written");
    mounted.kill();
    drop(open);
    let mounted = at.mount(&rack, &[]);
    assert!(!path.exists());
    mounted.unmount();
}

#[test]
fn those_who_have_a_file_open_keep_it_when_it_is_removed_or_replaced() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    let bytes = content(2, 3_000_000);
    for name in ["removed", "replaced", "other"] {
        fs::write(path(name), &bytes).expect("a file can be written");
    }
    let mut removed = File::open(path("removed")).expect("it can be opened");
    let mut replaced = File::open(path("replaced")).expect("it can be opened");
    fs::remove_file(path("removed")).expect("it can be removed");
    fs::write(path("small"), "small").expect("a file can be written");
    fs::rename(path("small"), path("replaced")).expect("it can be renamed");
    for file in [&mut removed, &mut replaced] {
        let mut found = Vec::new();
        file.read_to_end(&mut found).expect("it can be read");
        assert!(found == bytes);
    }
    assert_eq!(
        fs::read(path("replaced")).expect("it can be read"),
        b"small"
    );
    drop((removed, replaced));
    mounted.unmount();
}

#[test]
fn whoever_changes_an_object_second_is_told_and_loses_nothing() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("file");
    let (s3, key) = (rack.s3(), format!("{}/file", rack.bucket()));
    fs::write(&path, "first").expect("a file can be written");
    let file = OpenOptions::new().write(true).truncate(true).open(&path);
    let mut file = file.expect("it can be opened");
    file.write_all(b"ours").expect("it can be written");
    assert_eq!(s3.put(&key, "theirs").status, 200);

    let refused = file.sync_all().expect_err("somebody else was faster");
    assert_eq!(errno(&refused), Errno::ESTALE);
    assert_eq!(fs::read(&path).expect("it can be read"), b"theirs");
    let aside = fs::read_dir(at.path()).expect("it can be listed");
    let aside = aside
        .map(|entry| entry.expect("it can be listed").path())
        .find(|path| path.to_string_lossy().contains("file.conflict-"));
    let aside = aside.expect("what was written is beside it");
    assert_eq!(fs::read(aside).expect("it can be read"), b"ours");
    drop(file);
    mounted.unmount();
}

#[test]
fn a_server_that_is_away_is_waited_for_and_then_given_up() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--wait", "1"]);
    let path = at.path().join("file");
    let mut file = File::create_new(&path).expect("a file can be made");
    file.write_all(b"bytes").expect("it can be written");
    assert!(rack.stop().success());
    let refused = file.sync_all().expect_err("there is nobody to store it");
    assert_eq!(errno(&refused), Errno::ETIMEDOUT);
    let rack = site.start();
    file.sync_all().expect("it can be stored again");
    let key = format!("{}/file", rack.bucket());
    assert_eq!(rack.s3().get(&key).body, b"bytes");
    drop(file);
    mounted.unmount();
}

#[test]
fn what_could_not_be_uploaded_is_when_the_server_is_back_and_nobody_asks() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--wait", "0", "--retry", "1"]);
    let (new, changed) = (at.path().join("new"), at.path().join("changed"));
    fs::write(&changed, content(1, 300_000)).expect("it can be written");
    let mut files = [
        File::create_new(&new).expect("a file can be made"),
        OpenOptions::new()
            .write(true)
            .open(&changed)
            .expect("it can be opened"),
    ];
    for file in &mut files {
        file.write_all(b"bytes").expect("it can be written");
    }
    assert!(rack.stop().success());
    for file in &files {
        file.sync_all().expect_err("there is nobody to store it");
    }
    drop(files);
    // It is tried in vain for a while.
    thread::sleep(Duration::from_secs(3));

    let rack = site.start();
    let s3 = rack.s3();
    let mut expected = content(1, 300_000);
    expected[..5].copy_from_slice(b"bytes");
    let is = |name: &str, expected: &[u8]| {
        let answer = s3.get(&format!("{}/{name}", rack.bucket()));
        answer.status == 200 && answer.body == expected
    };
    crate::others::within(Duration::from_secs(40), "both are stored", || {
        is("new", b"bytes") && is("changed", &expected)
    });
    assert_eq!(fs::read(&new).expect("it can be read"), b"bytes");
    mounted.unmount();
}

#[test]
fn a_mount_that_is_used_ends_at_the_second_signal_and_loses_nothing() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let mut file = File::create_new(at.path().join("file")).expect("a file can be made");
    file.write_all(b"bytes").expect("it can be written");
    mounted.interrupt();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !at.log().contains("another signal") {
        assert!(Instant::now() < deadline, "{}", at.log());
        thread::sleep(Duration::from_millis(10));
    }
    file.write_all(b" and more").expect("it is still mounted");
    mounted.interrupt();
    mounted.wait();
    let key = format!("{}/file", rack.bucket());
    assert_eq!(rack.s3().get(&key).body, b"bytes and more");
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_sentence() {
    let site = Site::new();
    let rack = site.start();
    let bucket = rack.var("HAYRACK_BUCKET");
    let refused = |bucket: &str, arguments: &[&str], expected: &str| {
        let at = MountPoint::new();
        let mut child = at.spawn(&rack, bucket, arguments);
        let status = child.wait().expect("a child can be waited for");
        assert!(!status.success());
        assert!(at.log().contains(expected), "{expected}: {}", at.log());
    };
    refused("no-such-bucket", &[], "there is no bucket no-such-bucket");
    refused(
        &bucket,
        &["--profile", "nobody"],
        "there is no profile [nobody]",
    );
    refused(
        &bucket,
        &["--endpoint", "here"],
        "\"here\" is not an endpoint",
    );
    refused(
        &bucket,
        &["--endpoint", "http://127.0.0.1:1", "--wait", "0"],
        "cannot be listed",
    );
    refused(&bucket, &["--file-mode", "rw"], "octal");
    let at = MountPoint::new();
    fs::remove_dir(at.path()).expect("it can be removed");
    let mut child = at.spawn(&rack, &bucket, &[]);
    assert!(!child.wait().expect("a child can be waited for").success());
    assert!(at.log().contains("mkdir -p"), "{}", at.log());
}
