//! libnbd's tools.

use std::process::Command;

use hayrack_e2e::clients::{debian, run};
use hayrack_e2e::volumed::Volumed;

use crate::{MIB, same_bytes, sparse_file};

/// Overlapping requests in flight on one connection: each block ends as one of the two that raced for
/// it left it, and as the same one for everybody.
const RACES: &str = r"
import random
other = nbd.NBD()
other.connect_uri(uri)
rng = random.Random(7)
for round in range(30):
    at = rng.randrange(0, 60 << 20)
    first, second = bytes([2 * round + 1]) * 50000, bytes([2 * round + 2]) * 50000
    cookies = [h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(first)), at),
               h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(second)), at)]
    while h.aio_in_flight() > 0:
        h.poll(-1)
    assert all([h.aio_command_completed(cookie) for cookie in cookies])
    seen = h.pread(50000, at)
    for start in range(0, 50000):
        if (at + start) % 4096 == 0 or start == 0:
            end = min(50000, start + 4096 - (at + start) % 4096)
            assert seen[start:end] in (first[start:end], second[start:end]), (round, start)
    assert other.pread(50000, at) == seen, round
h.flush()
";

#[test]
fn nbdsh_races_two_writes() {
    let volumed = Volumed::start("1GiB");
    volumed.create("raced", "64MiB");
    let uri = volumed.uri("raced");
    let mut nbdsh = Command::new(debian("nbdsh"));
    // It takes the first Python that it finds, which need not be Debian's.
    nbdsh.env("PATH", "/usr/bin:/bin");
    nbdsh.args(["-u", &uri, "-c", &format!("uri = {uri:?}")]);
    run(nbdsh.args(["-c", RACES]));
}

#[test]
fn nbdcopy_takes_a_volume_to_another_over_many_connections() {
    let volumed = Volumed::start("1GiB");
    let from = sparse_file(&volumed, "from", 1, 96 * MIB);
    for name in ["first", "second"] {
        volumed.create(name, "96MiB");
    }
    let copy = |words: &[&str]| {
        let mut nbdcopy = Command::new(debian("nbdcopy"));
        run(nbdcopy
            .args(["--flush", "--connections=4", "--requests=64"])
            .args(words));
    };
    let (first, second) = (volumed.uri("first"), volumed.uri("second"));
    copy(&[&from.display().to_string(), &first]);
    copy(&["--request-size=4096", &first, &second]);
    let to = volumed.path("to");
    copy(&[&second, &to.display().to_string()]);
    assert!(same_bytes(&from, &to));
    let totals = |uri: &str| {
        let mut nbdinfo = Command::new(debian("nbdinfo"));
        run(nbdinfo.args(["--map", "--totals", uri]))
    };
    assert_eq!(totals(&first), totals(&second));
    let half = (48 * MIB).to_string();
    let lines = totals(&second);
    let mut lines = lines.lines();
    assert!(
        lines.all(|line| line.trim_start().starts_with(&half)),
        "half of it is data: {}",
        totals(&second)
    );
    // Sums and their header pages take no block of the volume's.
    assert_eq!(volumed.used(), 2 * 48 * MIB as u64);
}
