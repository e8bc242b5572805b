//! PostgreSQL on ext4 on a volume, with both killed while pgbench runs. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hayrack_e2e::clients::run;
use hayrack_e2e::rack::kill_process;
use hayrack_e2e::volumed::Volumed;
use nix::sys::signal::Signal;

use crate::mounted::{Device, Mounted, until};

const CLIENTS: u64 = 8;

/// So many transactions are there before anything is killed.
const BEFORE_A_CRASH: u64 = 200;

/// Every account, teller and branch began with 0, and each transaction adds the same to one of each.
const BALANCES: &str = "SELECT (SELECT count(*) FROM pgbench_history), \
     (SELECT coalesce(sum(delta), 0) FROM pgbench_history), (SELECT sum(abalance) FROM pgbench_accounts), \
     (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)";

/// A program of PostgreSQL's, run as the user that Debian's package makes for it.
fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let newest: PathBuf = versions
        .map(|entry| entry.expect("it can be read").path())
        .max()
        .expect("postgresql is installed");
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(newest.join("bin").join(name))
        .current_dir("/");
    command
}

/// A server whose data is on a mounted volume.
struct Server<'a> {
    at: &'a Path,
    process: Child,
}

impl<'a> Server<'a> {
    fn start(mounted: &'a Mounted<'_>) -> Self {
        let at = mounted.path();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(at.join("log"))
            .expect("a log");
        let mut postgres = program("postgres");
        postgres
            .arg("-D")
            .arg(at.join("data"))
            .arg("-k")
            .arg(at)
            .args(["-c", "listen_addresses=", "-c", "wal_sync_method=fdatasync"])
            .args(["-c", "checkpoint_timeout=30s", "-c", "max_wal_size=64MB"])
            .stdin(Stdio::null())
            .stderr(log);
        let process = postgres.spawn().expect("postgres can be started");
        let server = Self { at, process };
        until("postgres answers", || {
            let mut is_ready = server.client("pg_isready");
            is_ready.stdout(Stdio::null());
            is_ready.status().is_ok_and(|status| status.success())
        });
        server
    }

    fn client(&self, name: &str) -> Command {
        let mut client = program(name);
        client.arg("-h").arg(self.at);
        client
    }

    /// Kills it and all of its processes, each of which leads a group of its own.
    fn kill(&mut self) {
        let own = self.process.id();
        // Stopped, it makes no more of them.
        kill_process(own, Signal::SIGSTOP);
        // It may be gone already.
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            kill_process(child.parse().expect("a process id"), Signal::SIGKILL);
        }
        kill_process(own, Signal::SIGKILL);
        self.process.wait().expect("a child can be waited for");
    }

    fn stop(mut self) {
        let mut stop = program("pg_ctl");
        run(stop
            .args(["stop", "-w", "-m", "fast", "-D"])
            .arg(self.at.join("data")));
        let status = self.process.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}");
    }

    fn query(&self, query: &str) -> String {
        let mut psql = self.client("psql");
        run(psql.args(["-d", "postgres", "-tA", "-F", " ", "-c", query]))
    }

    fn history(&self) -> u64 {
        let count = self.query("SELECT count(*) FROM pgbench_history");
        count.trim().parse().expect("a count")
    }

    /// How many transactions there ever were, all of them whole.
    fn transactions(&self) -> u64 {
        let printed = self.query(BALANCES);
        let figures: Vec<i64> = printed
            .split_whitespace()
            .map(|figure| figure.parse().expect("a number"))
            .collect();
        let sums = &figures[1..];
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{printed}");
        figures[0].try_into().expect("a count")
    }

    /// Indexes and tables fit each other.
    fn assert_whole(&self) {
        let mut amcheck = self.client("pg_amcheck");
        run(amcheck.args([
            "--all",
            "--install-missing",
            "--heapallindexed",
            "--parent-check",
        ]));
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

fn initialise(mounted: &Mounted<'_>) {
    let at = mounted.path();
    run(Command::new("chown").arg("postgres").arg(at));
    let mut initdb = program("initdb");
    run(initdb
        .args(["--data-checksums", "--auth=trust", "-D"])
        .arg(at.join("data")));
    let server = Server::start(mounted);
    let mut pgbench = server.client("pgbench");
    run(pgbench.args(["--initialize", "--scale=10", "--quiet", "postgres"]));
    server.stop();
}

/// Runs pgbench until volumed and PostgreSQL are killed; answers how many transactions it was told of.
fn crash(round: u32, volumed: &mut Volumed, server: &mut Server<'_>) -> u64 {
    let mut pgbench = server.client("pgbench");
    // With its vacuum it would truncate the history.
    pgbench.args(["--no-vacuum", "--time=600", "--jobs=2", "postgres"]);
    pgbench.arg(format!("--client={CLIENTS}"));
    let running = pgbench
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("pgbench can be started");
    let enough = server.history() + BEFORE_A_CRASH;
    until("pgbench gets on", || server.history() >= enough);
    if round.is_multiple_of(3) {
        server.kill();
        volumed.kill();
    } else {
        volumed.kill();
        // Long enough to meet errors, or no time at all.
        thread::sleep(Duration::from_secs(u64::from(round % 3 - 1)));
        server.kill();
    }
    let output = running
        .wait_with_output()
        .expect("pgbench can be waited for");
    let printed = String::from_utf8_lossy(&output.stdout);
    let told = printed
        .lines()
        .find_map(|line| line.strip_prefix("number of transactions actually processed: "));
    let told = told.unwrap_or_else(|| panic!("it tells no number: {printed}"));
    told.trim().parse().expect("a number")
}

#[test]
#[ignore = "make test-clients"]
fn pgbench_loses_no_transaction_when_both_are_killed() {
    let mut volumed = Volumed::start("4GiB");
    volumed.create("database", "2GiB");
    let device = Device::attach(&volumed, "database");
    device.run(&["mkfs.ext4", "-q", "-F"]);
    let mounted = device.mount("defaults");
    initialise(&mounted);
    mounted.unmount();
    drop(device);
    let mut before = 0;
    for round in 0..5 {
        let device = Device::attach(&volumed, "database");
        let mounted = device.mount("defaults");
        let mut server = Server::start(&mounted);
        let told = crash(round, &mut volumed, &mut server);
        drop(server);
        mounted.unmount();
        drop(device);

        volumed.start_again();
        let device = Device::attach(&volumed, "database");
        // Mounting replays the journal.
        device.mount("defaults").unmount();
        device.run(&["e2fsck", "-f", "-n"]);
        let mounted = device.mount("defaults");
        let server = Server::start(&mounted);
        let now = server.transactions();
        println!(
            "round {round}: {told} transactions told of, {} found",
            now - before
        );
        assert!(told > 0, "round {round} tests nothing");
        assert!(
            (told..=told + CLIENTS).contains(&(now - before)),
            "round {round}: {before} before, {told} told of, {now} now"
        );
        server.assert_whole();
        server.stop();
        let mut checksums = program("pg_checksums");
        run(checksums.arg("--check").arg("-D").arg(mounted.file("data")));
        mounted.unmount();
        before = now;
    }
}
