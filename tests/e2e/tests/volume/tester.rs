//! The client with which nbd-server's own tests are made.

use std::path::PathBuf;
use std::process::Command;

use hayrack_e2e::clients::{run, source};
use hayrack_e2e::volumed::Volumed;

fn installed(name: &str) -> PathBuf {
    source().join("../../target/e2e-clients/bin").join(name)
}

/// Runs it on a volume of its own: it counts on one that was never written.
fn test(volumed: &Volumed, volume: &str, words: &[&str]) {
    volumed.create(volume, "50MiB");
    let mut tester = Command::new(installed("nbd-tester-client"));
    tester.args(["-N", volume, "-u"]).arg(volumed.nbd_socket());
    run(tester.args(words));
}

#[test]
#[ignore = "make test-clients"]
fn nbd_tester_client_finds_nothing_wrong() {
    let volumed = Volumed::start("1GiB");
    test(&volumed, "handshake", &["-h"]);
    test(&volumed, "reads", &[]);
    test(&volumed, "writes", &["-w"]);
    test(&volumed, "flushes", &["-w", "-f"]);
    // Its other log has requests above 32 MiB, which no client may send that was told of that bound.
    let log = installed("integrity-test.tr").display().to_string();
    test(&volumed, "replay", &["-i", "-t", &log]);
}
