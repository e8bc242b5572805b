//! What the commands print that need no server.

use std::fs;
use std::process::{Command, Output};

fn s3d(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_s3d"))
        .args(arguments)
        .output()
        .expect("s3d starts")
}

fn printed(arguments: &[&str]) -> String {
    let output = s3d(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn there_is_a_page_and_a_completion_for_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("quickstart"), "{shell}: {script}");
    }
    assert!(printed(&["man"]).contains("s3d\\-quickstart"));
    for command in [
        "serve",
        "bucket check",
        "bucket damage",
        "user add",
        "secrets rotate",
        "doctor",
    ] {
        let page = printed(&["man", command]);
        assert!(page.contains(".SH OPTIONS"), "{command}: {page}");
    }
}

#[test]
fn a_configuration_is_checked_without_a_server() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("s3d.toml");
    let path = file.to_str().expect("UTF-8");
    fs::write(&file, "sign_up = \"closed\"\n").expect("a file can be written");
    let in_force = printed(&["serve", "--config", path, "--check-config"]);
    assert!(in_force.contains("sign_up = \"closed\""), "{in_force}");
    assert!(!folder.path().join("data").exists());

    fs::write(&file, "tls_certificate = \"/none\"\ntls_key = \"/none\"\n")
        .expect("a file can be written");
    let refused = s3d(&["serve", "--config", path, "--check-config"]);
    let sentence = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert_eq!(sentence.matches("No such file").count(), 1, "{sentence}");

    fs::write(&file, "region = \"us-east-1\"\nsign_upp = \"closed\"\n")
        .expect("a file can be written");
    let refused = s3d(&["serve", "--config", path, "--check-config"]);
    let sentence = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{sentence}");
    assert!(
        sentence.contains("sign_upp") && sentence.contains('2'),
        "{sentence}"
    );
}
