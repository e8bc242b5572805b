//! fio, which checks what it wrote.

use std::process::Command;

use hayrack_e2e::clients::{debian, run};
use hayrack_e2e::random::seed;
use hayrack_e2e::volumed::Volumed;

/// fio over its NBD engine. It leaves its state in the daemon's folder.
fn fio(volumed: &Volumed, words: &[&str]) -> Command {
    let mut fio = Command::new(debian("fio"));
    fio.current_dir(volumed.path("."))
        .args(["--name=job", "--ioengine=nbd", "--verify=crc32c"])
        .args(["--verify_fatal=1", "--group_reporting"])
        .arg(format!("--uri={}", volumed.uri("checked")))
        .args(words);
    fio
}

#[test]
fn fio_verifies_mixed_sizes_over_four_connections() {
    let volumed = Volumed::start("2GiB");
    volumed.create("checked", "1GiB");
    let seed = format!("--randseed={}", seed());
    let words = [
        "--rw=randrw",
        "--bsrange=512-128k",
        "--bs_unaligned=0",
        "--blockalign=512",
        "--iodepth=32",
        "--numjobs=4",
        "--size=64m",
        "--offset_increment=65m",
        "--io_size=32m",
        "--verify_backlog=128",
        "--end_fsync=1",
        &seed,
    ];
    run(&mut fio(&volumed, &words));
}

/// fio kills the daemon under its own writes, each flushed before the next, and keeps which were answered.
///
/// With more than one under way, fio before 3.41 keeps only the offsets of as many answers as its depth, and takes every
/// write that it began earlier for answered, also one that others overtook. So what many clients at once
/// were answered is looked for by `volumed/tests/acknowledged.rs`.
#[test]
#[ignore = "make test-clients"]
fn fio_finds_what_it_flushed_before_it_killed_the_daemon() {
    let mut volumed = Volumed::start("2GiB");
    volumed.create("checked", "1GiB");
    let kill = format!("--trigger=kill -9 {}", volumed.pid());
    let seed = format!("--randseed={}", seed());
    let mut job = vec!["--rw=randwrite", "--size=1g", &seed];
    job.extend(["--bs=4k", "--iodepth=1", "--fsync=1"]);
    let mut killing = fio(&volumed, &job);
    killing.args(["--do_verify=0", "--verify_state_save=1"]);
    killing.args(["--trigger-timeout=3", &kill]);
    // How it ends under a trigger says nothing: it loses its server.
    let ended = killing.output().expect("fio can be run");
    assert!(
        volumed.path("local-job-0-verify.state").exists(),
        "{ended:?}"
    );
    volumed.kill();
    volumed.start_again();
    job.extend(["--verify_state_load=1", "--verify_only=1"]);
    let verified = run(fio(&volumed, &job).arg("--output-format=json"));
    let report = verified.find('{').map(|start| &verified[start..]);
    let report: serde_json::Value =
        serde_json::from_str(report.expect("JSON")).expect("fio prints JSON");
    let reads = report["jobs"][0]["read"]["total_ios"].as_u64();
    assert!(reads.expect("a number") > 100, "{verified}");
}
