//! Programs that copy trees: s3cmd, rclone, s5cmd.

use std::fs;
use std::process::Command;

use hayrack_e2e::clients::{command, debian, newest, run};
use hayrack_e2e::rack::Rack;

use crate::{Trees, with_rack};

#[test]
fn s3cmd() {
    with_rack(|rack| {
        let trees = Trees::plant(21);
        let (up, down) = (trees.up(), trees.down());
        let host = rack.site.s3.to_string();
        let s3cmd = |words: &[&str]| {
            let mut command = command(rack, &debian("s3cmd"));
            command
                .args(["--config", "/dev/null", "--no-ssl", "--no-progress"])
                .args(["--host", &host, "--host-bucket", &host])
                .arg(format!("--access_key={}", rack.var("AWS_ACCESS_KEY_ID")))
                .arg(format!(
                    "--secret_key={}",
                    rack.var("AWS_SECRET_ACCESS_KEY")
                ))
                .args(words);
            run(&mut command)
        };
        s3cmd(&["mb", "s3://s3cmd"]);
        s3cmd(&["sync", &format!("{}/", up.display()), "s3://s3cmd/tree/"]);
        s3cmd(&[
            "cp",
            "--recursive",
            "s3://s3cmd/tree/",
            "s3://s3cmd/copied/",
        ]);
        s3cmd(&[
            "mv",
            "--recursive",
            "s3://s3cmd/copied/",
            "s3://s3cmd/moved/",
        ]);
        s3cmd(&["sync", "s3://s3cmd/moved/", &format!("{}/", down.display())]);
        trees.assert_same();
        let one = "s3://s3cmd/moved/folder-0/plain-0.txt";
        s3cmd(&["setacl", "--acl-public", one]);
        s3cmd(&["modify", "--add-header=x-amz-meta-colour:green", one]);
        let info = s3cmd(&["info", one]);
        assert!(info.contains("green"), "{info}");
        s3cmd(&["rb", "--recursive", "--force", "s3://s3cmd"]);
    });
}

/// rclone with a remote `hay:` on the rack.
fn rclone(rack: &Rack<'_>) -> Command {
    let mut command = command(rack, &debian("rclone"));
    command
        .envs([("RCLONE_CONFIG", "/dev/null"), ("RCLONE_RETRIES", "1")])
        .envs([
            ("RCLONE_CONFIG_HAY_TYPE", "s3"),
            ("RCLONE_CONFIG_HAY_PROVIDER", "Other"),
        ])
        .env("RCLONE_CONFIG_HAY_ENV_AUTH", "true")
        .env("RCLONE_CONFIG_HAY_ENDPOINT", rack.var("AWS_ENDPOINT_URL"));
    command
}

#[test]
fn rclone_copies_moves_and_checks() {
    with_rack(|rack| {
        let trees = Trees::plant(22);
        let (up, down) = (
            trees.up().display().to_string(),
            trees.down().display().to_string(),
        );
        let rclone = |words: &[&str]| run(rclone(rack).args(words));
        rclone(&["copy", &up, "hay:rclone/tree"]);
        rclone(&["check", "--download", &up, "hay:rclone/tree"]);
        rclone(&["moveto", "hay:rclone/tree", "hay:rclone/moved"]);
        rclone(&["copy", "hay:rclone/moved", "hay:rclone/copied"]);
        rclone(&["check", "hay:rclone/moved", "hay:rclone/copied"]);
        rclone(&["copy", "hay:rclone/moved", &down]);
        trees.assert_same();
        assert_eq!(
            listed(&rclone(&["lsl", &up])),
            listed(&rclone(&["lsl", "hay:rclone/moved"]))
        );
        rclone(&["purge", "hay:rclone"]);
        assert!(!rclone(&["lsd", "hay:"]).contains("rclone"));
    });
}

/// Sizes, times of modification and names, in order.
fn listed(lines: &str) -> Vec<&str> {
    let mut lines: Vec<_> = lines.lines().map(str::trim).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn s5cmd() {
    with_rack(|rack| {
        let trees = Trees::plant(23);
        let (up, down) = (
            trees.up().display().to_string(),
            trees.down().display().to_string(),
        );
        let endpoint = rack.var("AWS_ENDPOINT_URL");
        let s5cmd = |words: &[&str]| {
            let mut command = command(rack, &newest("s5cmd"));
            command
                .args(["--endpoint-url", &endpoint, "--retry-count", "0"])
                .args(words);
            run(&mut command)
        };
        s5cmd(&["mb", "s3://s5cmd"]);
        s5cmd(&["cp", &format!("{up}/*"), "s3://s5cmd/tree/"]);
        s5cmd(&["cp", "s3://s5cmd/tree/*", "s3://s5cmd/copied/"]);
        s5cmd(&["mv", "s3://s5cmd/copied/*", "s3://s5cmd/moved/"]);
        s5cmd(&["sync", "s3://s5cmd/moved/*", &format!("{down}/")]);
        trees.assert_same();
        let first = fs::read(trees.up().join("folder-7/plain-7.txt")).expect("it was planted");
        let piped = s5cmd(&["head", "s3://s5cmd/moved/folder-7/plain-7.txt"]);
        assert!(
            piped.contains(&format!("\"size\":{}", first.len())),
            "{piped}"
        );
        s5cmd(&["rm", "s3://s5cmd/*"]);
        s5cmd(&["rb", "s3://s5cmd"]);
    });
}
