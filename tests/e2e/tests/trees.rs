//! A tree of 2,000 files up and down with boto3 and aws-cli, newest and Debian's.

use std::fs;
use std::path::{Path, PathBuf};

use hayrack_e2e::clients::{assert_same, command, debian, newest, plant, run, source};
use hayrack_e2e::rack::{Rack, Site};

const FILES: usize = 2_000;

/// Runs `work` with a planted tree and an empty folder, and compares them afterwards.
fn up_and_down(seed: u64, work: impl Fn(&Rack<'_>, &Path, &Path)) {
    let site = Site::new();
    let rack = site.start();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (up, down) = (folder.path().join("up"), folder.path().join("down"));
    fs::create_dir(&up).expect("a folder can be made");
    fs::create_dir(&down).expect("a folder can be made");
    plant(&up, FILES, seed);
    work(&rack, &up, &down);
    assert_same(&up, &down);
    assert!(rack.stop().success());
}

fn boto3(rack: &Rack<'_>, python: &Path, up: &Path, down: &Path) {
    let script = source().join("python/tree.py");
    let mut command = command(rack, python);
    println!(
        "{}",
        run(command
            .arg(script)
            .arg(rack.var("HAYRACK_BUCKET"))
            .args([up, down]))
    );
}

fn aws(rack: &Rack<'_>, program: &Path, up: &Path, down: &Path) {
    let url = format!("s3://{}/aws-cli", rack.var("HAYRACK_BUCKET"));
    let endpoint = rack.var("AWS_ENDPOINT_URL");
    let s3 = |arguments: &[&str]| {
        let mut command = command(rack, program);
        // Version 2.9 knows no AWS_ENDPOINT_URL.
        run(command
            .args(["--endpoint-url", &endpoint, "s3"])
            .args(arguments))
    };
    let (up, down) = (up.display().to_string(), down.display().to_string());
    println!("{}", run(command(rack, program).arg("--version")));
    s3(&["cp", "--recursive", "--only-show-errors", &up, &url]);
    s3(&["cp", "--recursive", "--only-show-errors", &url, &down]);
    let unchanged = s3(&["sync", "--no-progress", &up, &url]);
    assert_eq!(unchanged, "", "a sync of the same tree moved something");
    s3(&["rm", "--recursive", "--only-show-errors", &url]);
    let listed = rack.s3().get(&format!("{}?list-type=2", rack.bucket()));
    assert!(
        !listed.text().contains("<Key>"),
        "something is left: {}",
        listed.text()
    );
}

#[test]
fn the_newest_boto3() {
    up_and_down(1, |rack, up, down| {
        boto3(rack, &newest("python3"), up, down);
    });
}

#[test]
fn debians_boto3() {
    up_and_down(2, |rack, up, down| {
        boto3(rack, Path::new("/usr/bin/python3"), up, down);
    });
}

#[test]
fn the_newest_aws_cli() {
    up_and_down(3, |rack, up, down| aws(rack, &newest("aws"), up, down));
}

#[test]
fn debians_aws_cli() {
    let program: PathBuf = debian("aws");
    up_and_down(4, |rack, up, down| aws(rack, &program, up, down));
}
