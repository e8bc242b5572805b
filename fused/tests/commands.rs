//! What the commands print that need no server.

use std::process::{Command, Output};

fn fused(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fused"))
        .args(arguments)
        .env_remove("AWS_ENDPOINT_URL")
        .env_remove("AWS_ENDPOINT_URL_S3")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .expect("fused starts")
}

fn printed(arguments: &[&str]) -> String {
    let output = fused(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The sentence of a refusal, which is one line on standard error.
fn refused(arguments: &[&str]) -> String {
    let output = fused(arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn there_is_a_page_and_a_completion_for_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("mount"), "{shell}: {script}");
    }
    assert!(printed(&["man"]).contains("fused\\-mount"));
    for command in ["mount", "login", "status"] {
        let page = printed(&["man", command]);
        assert!(page.contains(".SH OPTIONS"), "{command}: {page}");
    }
}

#[test]
fn what_cannot_be_mounted_is_named() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let folder = folder.path().to_str().expect("UTF-8");
    let mount = |bucket: &str, folder: &str| {
        let elsewhere = "http://127.0.0.1:9";
        refused(&["mount", bucket, folder, "--endpoint", elsewhere])
    };
    let sentence = refused(&["mount", "s3://bucket", folder]);
    assert!(sentence.contains("--endpoint"), "{sentence}");
    let sentence = mount("ftp://bucket", folder);
    assert!(sentence.contains("s3://"), "{sentence}");
    let missing = format!("{folder}/missing");
    let sentence = mount("s3://bucket", &missing);
    assert!(sentence.contains(&missing), "{sentence}");
}

#[test]
fn systemd_understands_the_units() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/srv-bucket.");
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(["mount", "automount"].map(|kind| format!("{folder}{kind}")))
        .output();
    // Not every machine has it.
    let Ok(output) = verified else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !said.contains("srv-bucket"),
        "{said}"
    );
}
