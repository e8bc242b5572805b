//! Packages are made of programs for the machines that they are for.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Where an ELF header says what machine it is for, and what it says for 64-bit Arm.
const ELF_MACHINE: usize = 18;
const ARM64: [u8; 2] = [0xb7, 0];

#[test]
fn programs_for_other_machines_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = b"\x7fELF".to_vec();
    program.resize(64, 0);
    program[ELF_MACHINE..ELF_MACHINE + 2].copy_from_slice(&ARM64);
    fs::write(folder.path().join("volumed"), program).unwrap();
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packages/make"))
        .arg(folder.path())
        .arg(folder.path().join("debs"))
        .arg("amd64")
        .env("VERSION", "1")
        .env("SOURCE_DATE_EPOCH", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(!made.status.success(), "{said}");
    assert!(said.contains("volumed is no program for amd64"), "{said}");
}
