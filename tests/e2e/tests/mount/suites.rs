//! Test suites of file systems that nobody here wrote.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hayrack_e2e::clients::{cargo, source};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::seed;

/// The names in the list of what is known to fail; lines with `#` say why.
fn expected_failures() -> BTreeSet<String> {
    let path = source().join("mount/pjdfstest-failures");
    let list = fs::read_to_string(path).expect("the list can be read");
    let names = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(str::to_owned).collect()
}

#[test]
fn pjdfstest_fails_where_it_is_known_to() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--allow-other"]);
    fs::set_permissions(at.path(), Permissions::from_mode(0o777)).expect("it can be changed");
    // Its users have to reach it.
    let folder = at.path();
    let folder = folder.parent().expect("it is in a folder");
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("it can be changed");
    let elsewhere = tempfile::tempdir().expect("a temporary folder can be made");
    let output = Command::new(cargo("pjdfstest"))
        .arg("-c")
        .arg(source().join("mount/pjdfstest.toml"))
        .arg("-p")
        .arg(at.path())
        .arg("-s")
        .arg(elsewhere.path())
        .current_dir("/")
        .output()
        .expect("pjdfstest can be run");
    let printed = String::from_utf8_lossy(&output.stdout);
    let results = printed.lines().filter_map(|line| line.split_once(' '));
    let results: Vec<_> = results.map(|(name, rest)| (name, rest.trim())).collect();
    let passed = results.iter().filter(|(_, result)| *result == "ok").count();
    assert!(passed > 250, "{printed}");
    let failed = results.iter().filter(|(_, result)| *result == "FAILED");
    let failed: BTreeSet<String> = failed.map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(failed, expected_failures(), "{printed}");
    mounted.unmount();
}

#[test]
fn fsx_finds_no_byte_out_of_place() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let operations = std::env::var("HAYRACK_FSX").unwrap_or_else(|_| "50000".into());
    let output = Command::new(cargo("fsx"))
        .arg("-f")
        .arg(source().join("mount/fsx.toml"))
        .args(["-N", &operations, "-S", &seed().to_string()])
        .arg(at.path().join("file"))
        .output()
        .expect("fsx can be run");
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    mounted.unmount();
}
