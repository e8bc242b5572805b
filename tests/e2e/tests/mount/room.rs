//! How much room there is, and copies that take none.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use hayrack_e2e::clients::run;
use hayrack_e2e::http::{Request, element};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;
use hayrack_e2e::s3::S3;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use serde_json::json;

#[test]
fn the_room_in_a_bucket_is_what_its_quota_leaves() {
    const QUOTA: u64 = 8 << 20;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let room = || {
        let room = statvfs(&at.path()).expect("there is an answer");
        let block = room.fragment_size();
        (room.blocks() * block, room.blocks_available() * block)
    };
    let (all, _) = room();
    assert!(all > 1 << 30, "that of the pool: {all}");
    let path = format!("/api/v1/buckets{}", rack.bucket());
    let quota = json!({ "quotaBytes": QUOTA });
    let (status, answer) = rack.api().send("PATCH", &path, Some(quota));
    assert_eq!(status, 200, "{answer}");
    // What was said before holds for a second.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(room(), (QUOTA, QUOTA));

    fs::write(at.path().join("half"), content(1, 4 << 20)).expect("there is room");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(room(), (QUOTA, QUOTA / 2));
    let mut large = File::create_new(at.path().join("large")).expect("a file can be made");
    large
        .write_all(&content(2, 6 << 20))
        .expect("it is staged here");
    let refused = large.sync_all().expect_err("there is no room");
    assert_eq!(refused.raw_os_error(), Some(Errno::ENOSPC as i32));
    // With room the same bytes are durable.
    fs::remove_file(at.path().join("half")).expect("it can be removed");
    large.sync_all().expect("there is room");
    drop(large);
    mounted.unmount();
    let stored = rack.s3().get(&format!("{}/large", rack.bucket()));
    assert!(stored.body == content(2, 6 << 20));
}

#[test]
fn a_copy_of_a_file_is_made_by_the_server() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    let bytes = content(3, 40_000_000);
    fs::write(path("file"), &bytes).expect("a file can be written");
    let before = rack.used();
    fs::copy(path("file"), path("copy")).expect("it can be copied");
    let more = rack.used() - before;
    assert!(more < 4 << 20, "{more} bytes were stored");
    assert!(fs::read(path("copy")).expect("it can be read") == bytes);
    // Neither follows the other.
    let mut copy = File::options()
        .append(true)
        .open(path("copy"))
        .expect("it can be opened");
    copy.write_all(b"more").expect("it can be written");
    drop(copy);
    // Copied as it is now, and over a file that holds something.
    fs::copy(path("copy"), path("file")).expect("it can be copied");
    let mut expected = bytes;
    expected.extend_from_slice(b"more");
    mounted.unmount();
    let stored = |name: &str| rack.s3().get(&format!("{}/{name}", rack.bucket())).body;
    assert!(stored("copy") == expected);
    assert!(stored("file") == expected);
}

/// Makes an object of `count` times the bytes of another, which are stored once.
fn put_repeated(s3: &S3, from: &str, to: &str, count: usize) {
    let begun = s3.send(Request::new("POST", format!("{to}?uploads")));
    let upload = element(&begun.text(), "UploadId").expect("it begins");
    let part = |number: usize| {
        let path = format!("{to}?partNumber={number}&uploadId={upload}");
        let copy = Request::new("PUT", path).header("x-amz-copy-source", from);
        let etag = element(&s3.send(copy).text(), "ETag").expect("it is copied");
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let parts: String = (1..=count).map(part).collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = Request::new("POST", format!("{to}?uploadId={upload}")).body(document);
    assert_eq!(s3.send(complete).status, 200);
}

#[test]
fn a_copy_of_a_file_beyond_2_gib_is_made_by_the_server() {
    const PIECE: usize = 32 << 20;
    const PIECES: usize = 70;
    let site = Site::new();
    let rack = site.start();
    let (s3, bucket) = (rack.s3(), rack.bucket());
    let piece = content(1, PIECE);
    assert_eq!(
        s3.put(&format!("{bucket}/piece"), piece.clone()).status,
        200
    );
    put_repeated(
        &s3,
        &format!("{bucket}/piece"),
        &format!("{bucket}/large"),
        PIECES,
    );
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    let before = rack.used();
    run(Command::new("cp").args([path("large"), path("copy")]));
    // Whoever asks for less gets less.
    let script = "import os, sys
source, target = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY)
assert os.copy_file_range(source, target, 1 << 30) == 1 << 30";
    run(Command::new("python3")
        .args(["-c", script])
        .args([path("large"), path("part")]));
    let more = rack.used() - before;
    assert!(more < 16 << 20, "{more} bytes were stored");
    mounted.unmount();

    let mounted = at.mount(&rack, &["--read-only"]);
    let reads = |path: &Path, size: usize| {
        let file = File::open(path).expect("it can be opened");
        assert_eq!(file.metadata().expect("it is there").len(), size as u64);
        for place in [0, (1 << 30) - 100, (2 << 30) - 4196, size - 100] {
            if place < size {
                let mut found = [0; 100];
                file.read_exact_at(&mut found, place as u64)
                    .expect("it can be read");
                assert!(
                    (0..100).all(|n| found[n] == piece[(place + n) % PIECE]),
                    "{place}"
                );
            }
        }
    };
    reads(&path("copy"), PIECE * PIECES);
    reads(&path("part"), 1 << 30);
    mounted.unmount();
}
