//! A flipped byte on the disk: an error, never bad bytes, and everything else goes on.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use hayrack_e2e::binaries::binary;
use hayrack_e2e::disk::{extent_files, flip};
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;
use hayrack_e2e::s3::S3;

fn assert_never_wrong(s3: &S3, path: &str, whole: &[u8]) {
    let request = s3.sign(Request::new("GET", path));
    match exchange(s3.address, &request) {
        Ok(answer) if answer.status == 200 => {
            assert!(
                answer.body != whole,
                "the flipped byte was not where it should be"
            );
            panic!("{path}: a GET returned bad bytes");
        }
        Ok(answer) => {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (500, "InternalError")
            );
        }
        // Part of it was sent before the damage was met: the connection is cut.
        Err(_) => {}
    }
}

#[test]
fn damaged_objects_are_refused_and_others_are_not() {
    let site = Site::new();
    let rack = site.start();
    let (bucket, s3) = (rack.bucket(), rack.s3());
    let objects: Vec<(String, Vec<u8>)> = [(3_000, "small"), (3 << 20, "large"), (3_000, "other")]
        .into_iter()
        .enumerate()
        .map(|(tag, (length, name))| (format!("{bucket}/{name}"), content(tag as u64 + 1, length)))
        .collect();
    for (path, bytes) in &objects {
        assert_eq!(s3.put(path, bytes.clone()).status, 200);
    }
    // A clean stop, so that every region has sums that count.
    assert!(rack.stop().success());
    for (_, bytes) in &objects[..2] {
        // A run within one block, in whatever way the object was cut up.
        assert!(flip(&site.data().join("disk0"), &bytes[1024..1536]));
    }
    let rack = site.start();
    for (path, bytes) in &objects[..2] {
        assert_never_wrong(&s3, path, bytes);
    }
    let (path, bytes) = &objects[2];
    let block_shared = objects[0].1.len() + bytes.len() < 4096;
    assert!(!block_shared, "the small objects could share a block");
    assert!(
        s3.get(path).body == *bytes,
        "another object is damaged too\n{}",
        site.log()
    );
    assert_eq!(s3.put(&format!("{bucket}/new"), "new").status, 200);
    assert_eq!(s3.get(&format!("{bucket}/new")).text(), "new");
    assert!(rack.stop().success());
    let named = named_damage(&site, bucket.trim_start_matches('/'), |_| {});
    let objects: Vec<_> = objects.iter().map(|(path, _)| key_of(path)).collect();
    assert_eq!(named, [objects[1].clone(), objects[0].clone()]);
}

fn key_of(path: &str) -> String {
    path.rsplit('/').next().expect("a key").to_owned()
}

/// Runs `volumed` with these words; it must succeed.
fn volumed_says(socket: &Path, words: &[&str]) -> String {
    let mut command = Command::new(binary("volumed"));
    let output = command.args(words).arg("--socket").arg(socket).output();
    let output = output.expect("volumed can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_was_lost_with_a_disk_is_refused_and_named_by_key() {
    let site = Site::new();
    let rack = site.start();
    let (bucket, s3) = (rack.bucket(), rack.s3());
    // The index is on the first disk.
    let first = format!("{bucket}/first");
    assert_eq!(s3.put(&first, "first").status, 200);
    let (socket, disk) = (
        site.data().join("volumed/admin.sock"),
        site.data().join("disk1"),
    );
    let path = disk.to_str().expect("a path");
    let added = volumed_says(&socket, &["disk", "add", path, "--json"]);
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    let objects: Vec<_> = (10..50)
        .map(|tag| (format!("{bucket}/{tag}"), content(tag, 8 << 20)))
        .collect();
    for (path, bytes) in &objects {
        assert_eq!(s3.put(path, bytes.clone()).status, 200);
    }
    assert!(rack.stop().success());
    assert!(
        extent_files(&disk).len() > 1,
        "by chance nothing is on the second disk"
    );
    fs::rename(&disk, disk.with_extension("gone")).expect("it can be moved");
    let id = added["id"].as_str().expect("an id");
    let named = named_damage(&site, bucket.trim_start_matches('/'), |socket| {
        volumed_says(socket, &["disk", "remove", id, "--accept-loss"]);
    });
    let rack = site.start();
    for (path, bytes) in &objects {
        if named.contains(&key_of(path)) {
            assert_never_wrong(&s3, path, bytes);
        } else {
            assert!(s3.get(path).body == *bytes, "{path} is lost and not named");
        }
    }
    assert_eq!(s3.get(&first).text(), "first");
    assert!(
        !named.is_empty() && !named.contains(&"first".to_owned()),
        "{named:?}"
    );
    // What is named is put anew.
    let (path, bytes) = &objects[0];
    assert_eq!(s3.put(path, bytes.clone()).status, 200);
    assert!(s3.get(path).body == *bytes);
    assert!(rack.stop().success());
}

/// The keys that `s3d bucket damage` names, with a volumed that was started since and to which
/// something was done.
fn named_damage(site: &Site, bucket: &str, deed: impl FnOnce(&Path)) -> Vec<String> {
    let folder = site.data().join("volumed");
    let mut volumed = Command::new(binary("volumed"))
        .arg("serve")
        .arg("--data")
        .arg(&folder)
        .arg("--disk")
        .arg(site.data().join("disk0"))
        .spawn()
        .expect("volumed can be started");
    while UnixStream::connect(folder.join("admin.sock")).is_err() {
        thread::sleep(Duration::from_millis(20));
        assert!(volumed.try_wait().expect("a child").is_none(), "it ended");
    }
    deed(&folder.join("admin.sock"));
    let output = Command::new(binary("s3d"))
        .args(["bucket", "damage", bucket, "--json", "--data"])
        .arg(site.data().join("s3d"))
        .arg("--volumed")
        .arg(folder.join("admin.sock"))
        .arg("--store")
        .arg(folder.join("meta.db"))
        .output()
        .expect("s3d can be started");
    let doctor = Command::new(binary("volumed"))
        .arg("doctor")
        .arg("--socket")
        .arg(folder.join("admin.sock"))
        .output()
        .expect("volumed can be started");
    volumed.kill().expect("it runs");
    volumed.wait().expect("a child");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("s3d bucket damage"), "{doctor}");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let problems = report["problems"].as_array().expect("problems").iter();
    problems
        .filter_map(|problem| Some(problem["key"].as_str()?.to_owned()))
        .collect()
}
