//! Keys that may not do what is asked: whoever asks is told, and what was refused is not done later.

use std::fs;
use std::path::Path;
use std::process::Command;

use hayrack_e2e::clients::{run, source};
use hayrack_e2e::http::Request;
use hayrack_e2e::mounted::{MountPoint, Mounted};
use hayrack_e2e::rack::{Rack, Site};
use hayrack_e2e::s3::S3;
use nix::errno::Errno;
use serde_json::{Value, json};

use crate::opener::Opener;
use crate::operating::{status, waiting};
use crate::others::soon;
use crate::tree::all;

/// A key of its own for the first bucket.
fn make_key(rack: &Rack<'_>, access: &str) -> Value {
    let scope = json!({ "bucket": rack.var("HAYRACK_BUCKET") });
    let wanted = json!({ "scope": scope, "access": access });
    let (status, key) = rack.api().send("POST", "/api/v1/keys", Some(wanted));
    assert_eq!(status, 201, "{key}");
    key
}

fn mount<'a>(at: &'a MountPoint, rack: &Rack<'_>, key: &Value) -> Mounted<'a> {
    let mut variables = rack.env();
    let s3 = s3_of(rack, key);
    variables.insert("AWS_ACCESS_KEY_ID".into(), s3.access_key);
    variables.insert("AWS_SECRET_ACCESS_KEY".into(), s3.secret_key);
    at.mount_with(&variables, &rack.var("HAYRACK_BUCKET"), &[])
}

fn s3_of(rack: &Rack<'_>, key: &Value) -> S3 {
    let text = |field: &str| key[field].as_str().expect("a key has both halves");
    S3::new(rack.site.s3, text("accessKeyID"), text("secretAccessKey"))
}

/// What `changes.py` wants to change.
fn put_files(rack: &Rack<'_>, prefix: &str) {
    for key in ["file", "folder/below", "empty/"] {
        let path = format!("{}/{prefix}{key}", rack.bucket());
        let body = if key.ends_with('/') { "" } else { "bytes" };
        assert_eq!(rack.s3().put(&path, body).status, 200);
    }
}

/// Every call that changes something is refused, and nothing changes.
fn assert_no_change_is_allowed(folder: &Path) {
    let before = all(folder);
    let script = source().join("python/changes.py");
    let printed = run(Command::new("python3").arg(script).arg(folder));
    assert!(printed.lines().count() > 10, "{printed}");
    let allowed: Vec<_> = printed
        .lines()
        .filter(|line| !line.ends_with("EACCES"))
        .collect();
    assert!(allowed.is_empty(), "{printed}");
    assert_eq!(all(folder), before);
}

/// Writes to a file that may not be stored.
fn write_in_vain(path: &Path) {
    let mut opener = Opener::open(path, &["O_CREAT", "O_APPEND"]);
    assert_eq!(opener.does("write  and more"), "done");
    assert_eq!(opener.does("sync"), "EACCES");
    opener.close();
}

#[test]
fn a_key_that_may_only_read_changes_nothing() {
    let site = Site::new();
    let rack = site.start();
    put_files(&rack, "");
    let at = MountPoint::new();
    let mounted = mount(&at, &rack, &make_key(&rack, "read-only"));
    assert_no_change_is_allowed(&at.path());
    assert_eq!(waiting(&at), Vec::<Value>::new());

    // What is written waits until it may be stored, or is removed.
    for name in ["new", "folder/new", "file"] {
        write_in_vain(&at.path().join(name));
    }
    soon("it is said why", || {
        let failed = |it: &Value| it["upload"]["error"].as_str().is_some_and(is_denied);
        waiting(&at).len() == 3 && waiting(&at).iter().all(failed)
    });
    assert!(is_denied(&at.log()), "{}", at.log());
    for name in ["new", "folder/new"] {
        fs::remove_file(at.path().join(name)).expect("the server knows nothing of it");
    }
    let left = waiting(&at);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!mounted.interrupted().success());
    assert!(at.log().contains("1 changed file"), "{}", at.log());
    // Whoever wants it no more finds it where it is said to be.
    let staged = left[0]["staged"].as_str().expect("it is somewhere");
    assert_eq!(
        fs::read(staged).expect("it is there"),
        b"\0\0\0\0\0 and more"
    );
    fs::remove_file(format!("{staged}.journal")).expect("it can be removed");
    assert_eq!(status(&at, &["--json"]).trim(), "[]");
}

fn is_denied(said: &str) -> bool {
    said.contains("AccessDenied")
}

#[test]
fn a_policy_denies_what_it_names() {
    let site = Site::new();
    let rack = site.start();
    put_files(&rack, "");
    put_files(&rack, "locked/");
    let bucket = rack.var("HAYRACK_BUCKET");
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*",
        "Action": ["s3:PutObject", "s3:DeleteObject"],
        "Resource": format!("arn:aws:s3:::{bucket}/locked/*"),
    }]});
    let put = Request::new("PUT", format!("/{bucket}?policy")).body(policy.to_string());
    assert_eq!(rack.s3().send(put).status, 204);
    let at = MountPoint::new();
    let mounted = mount(&at, &rack, &make_key(&rack, "read-write"));
    let locked = at.path().join("locked");
    assert_no_change_is_allowed(&locked);
    write_in_vain(&locked.join("new"));
    fs::remove_file(locked.join("new")).expect("the server knows nothing of it");
    // Neither into it nor out of it.
    let file = at.path().join("file");
    for (from, to) in [
        (&file, locked.join("moved")),
        (&locked.join("file"), file.with_extension("moved")),
    ] {
        let refused = fs::rename(from, to).expect_err("it is locked");
        assert_eq!(refused.raw_os_error(), Some(Errno::EACCES as i32));
    }
    fs::write(&file, "changed").expect("it is not locked");
    mounted.unmount();
    let stored = rack.s3().get(&format!("/{bucket}/file"));
    assert_eq!(stored.text(), "changed");
}

#[test]
fn what_a_revoked_key_could_not_store_is_stored_with_another() {
    let site = Site::new();
    let rack = site.start();
    put_files(&rack, "");
    let at = MountPoint::new();
    let key = make_key(&rack, "read-write");
    let mounted = mount(&at, &rack, &key);
    let path = at.path().join("file");
    let mut opener = Opener::open(&path, &["O_APPEND"]);
    assert_eq!(opener.does("write  and more"), "done");

    let id = key["accessKeyID"].as_str().expect("it has an id");
    let (status, answer) = rack
        .api()
        .send("DELETE", &format!("/api/v1/keys/{id}"), None);
    assert!((200..300).contains(&status), "{answer}");
    soon("the server knows that it is revoked", || {
        s3_of(&rack, &key).get(&rack.bucket()).status == 403
    });
    assert_eq!(opener.does("sync"), "EACCES");
    opener.close();
    let refused = fs::read(at.path().join("folder/below")).expect_err("the key is gone");
    assert_eq!(refused.raw_os_error(), Some(Errno::EACCES as i32));
    assert!(at.log().contains("InvalidAccessKeyId"), "{}", at.log());
    assert!(!mounted.interrupted().success());

    let mounted = at.mount(&rack, &[]);
    assert_eq!(fs::read(&path).expect("it can be read"), b"bytes and more");
    mounted.unmount();
}
