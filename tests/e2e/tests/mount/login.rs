//! Signing in, and mounting with the key that this gives.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hayrack_e2e::binaries::binary;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::{Rack, Site};

/// `fused login` as somebody who has this home, and whose standard input is the password.
fn login(home: &Path, url: &str, email: &str, password: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(binary("fused"))
        .args(["login", url, "--email", email])
        .args(arguments)
        .env_remove("AWS_SHARED_CREDENTIALS_FILE")
        .env_remove("AWS_CONFIG_FILE")
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("fused can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may have ended before it asked.
    let _ = writeln!(stdin, "{password}");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn signed_in(rack: &Rack<'_>, home: &Path, arguments: &[&str]) -> String {
    let (email, password) = (rack.var("HAYRACK_EMAIL"), rack.var("HAYRACK_PASSWORD"));
    let url = rack.var("HAYRACK_API_URL");
    let output = login(home, &url, &email, &password, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The value of a setting that a file has once.
fn setting(text: &str, name: &str) -> String {
    let mut found = text.lines().filter_map(|line| {
        let (found, value) = line.split_once(" = ")?;
        (found == name).then(|| value.to_owned())
    });
    let value = found.next().expect("it is there");
    assert_eq!(found.next(), None, "{text}");
    value
}

#[test]
fn whoever_signed_in_can_mount() {
    let site = Site::new();
    let rack = site.start();
    let home = tempfile::tempdir().expect("a folder");
    let file = |name: &str| home.path().join(".aws").join(name);
    fs::create_dir(home.path().join(".aws")).expect("a folder");
    let others = "[default]\naws_secret_access_key=of another server\n";
    fs::write(file("credentials"), others).expect("it can be written");

    let printed = signed_in(&rack, home.path(), &[]);
    let bucket = rack.var("HAYRACK_BUCKET");
    let next = format!("fused mount --profile hayrack s3://{bucket}");
    assert!(printed.contains(&next), "{printed}");
    let keys = fs::read_to_string(file("credentials")).expect("it is there");
    assert!(keys.starts_with(others), "{keys}");
    for name in ["credentials", "config"] {
        let found = fs::metadata(file(name)).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }

    let at = MountPoint::new();
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let variables = BTreeMap::from([("HOME".to_owned(), text(home.path()))]);
    let mounted = at.mount_with(&variables, &bucket, &["--profile", "hayrack"]);
    fs::write(at.path().join("file"), "bytes").expect("it can be written");
    mounted.unmount();
    assert_eq!(rack.s3().get(&format!("/{bucket}/file")).text(), "bytes");

    // The next time, the key of before is gone, and nothing else.
    let before = setting(&keys, "aws_access_key_id");
    signed_in(&rack, home.path(), &["--bucket", &bucket, "--read-only"]);
    let keys = fs::read_to_string(file("credentials")).expect("it is there");
    assert!(keys.starts_with(others), "{keys}");
    let after = setting(&keys, "aws_access_key_id");
    let (_, known) = rack.api().send("GET", "/api/v1/keys", None);
    let known = known["keys"].as_array().expect("keys").clone();
    let of = |id: &str| known.iter().find(|key| key["accessKeyID"] == id).cloned();
    assert_eq!(of(&before), None);
    let after = of(&after).expect("it is known");
    assert_eq!(after["scope"]["bucket"], *bucket);
    assert_eq!(after["access"], "read-only");
    let mounted = at.mount_with(&variables, &bucket, &["--profile", "hayrack"]);
    let refused = File::create(at.path().join("other")).expect("it is only here");
    refused.sync_all().expect_err("it may not be stored");
    drop(refused);
    assert_eq!(
        fs::read(at.path().join("file")).expect("it can be read"),
        b"bytes"
    );
    drop(mounted);
}

#[test]
fn what_is_wrong_with_signing_in_is_said() {
    let site = Site::new();
    let rack = site.start();
    let home = tempfile::tempdir().expect("a folder");
    let (email, password) = (rack.var("HAYRACK_EMAIL"), rack.var("HAYRACK_PASSWORD"));
    let refused = |url: &str, password: &str, arguments: &[&str], expected: &str| {
        let output = login(home.path(), url, &email, password, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{expected}");
        assert!(said.contains(expected), "{expected}: {said}");
    };
    let url = rack.var("HAYRACK_API_URL");
    refused(&url, "wrong", &[], "the email or the password is wrong");
    refused(&url, "", &[], "there is no password");
    refused("http://127.0.0.1:1", &password, &[], "there is no answer");
    let s3 = rack.var("AWS_ENDPOINT_URL");
    refused(&s3, &password, &[], "is no Hayrack");
    refused(&url, &password, &["--bucket", "none"], "bucket none");
    assert!(!home.path().join(".aws").exists(), "nothing was stored");

    // What may be nowhere else is kept.
    fs::create_dir(home.path().join(".aws")).expect("a folder");
    let theirs = "[hayrack]\naws_access_key_id = THEIRS\naws_secret_access_key = s\n";
    let file = home.path().join(".aws/credentials");
    fs::write(&file, theirs).expect("it can be written");
    refused(&url, &password, &[], "choose another --profile");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), theirs);
}
