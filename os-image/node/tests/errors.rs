//! What the programs say when they fail.

use std::process::Command;

#[test]
fn a_reason_is_given_once() {
    // A machine that runs tests was not started from a node image, and has no settings.
    let failed = Command::new(env!("CARGO_BIN_EXE_hayrack-firstboot"))
        .arg("join")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}
