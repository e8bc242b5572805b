//! `make rack`, as somebody who tries it uses it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::http::{Request, exchange_within};
use hayrack_e2e::s3::S3;
use hayrack_rack::process::send;
use nix::sys::signal::Signal;

/// Nobody waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_mins(2);
const SILENCE: Duration = Duration::from_secs(5);

/// The program, with its data in a folder of the test's.
struct Tour {
    folder: tempfile::TempDir,
}

impl Tour {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hayrack-rack"));
        command.args(words).arg("--data").arg(self.data());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn order(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it can be started")
    }

    fn obeyed(&self, words: &[&str]) -> String {
        let output = self.order(words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn start(&self) -> Running {
        let mut command = self.command(&["run"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut printed = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while !line.starts_with("Hayrack is ready") {
            line.clear();
            let read = printed.read_line(&mut line).expect("it prints text");
            assert!(read > 0, "it ended before it was ready");
        }
        thread::spawn(move || printed.read_to_end(&mut Vec::new()));
        Running { child }
    }

    /// The variables for shells.
    fn env(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.data().join("env")).expect("there is `env`");
        let pairs = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
            .collect()
    }

    /// Sends a request to a node, again and again until it is answered well.
    fn ask(&self, node: u8, request: &Request) -> Vec<u8> {
        let env = self.env();
        let first = env["AWS_ENDPOINT_URL"].trim_start_matches("http://");
        let mut address: std::net::SocketAddr = first.parse().expect("an address");
        if let std::net::IpAddr::V4(ip) = address.ip() {
            let [a, b, c, _] = ip.octets();
            address.set_ip([a, b, c, node].into());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let s3 = S3::new(
                address,
                &env["AWS_ACCESS_KEY_ID"],
                &env["AWS_SECRET_ACCESS_KEY"],
            );
            let answer = exchange_within(address, &s3.sign(request.clone()), SILENCE);
            match answer {
                Ok(answer) if answer.status == 200 => return answer.body,
                wrong => assert!(Instant::now() < deadline, "{wrong:?}"),
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

struct Running {
    child: Child,
}

impl Running {
    fn interrupt(mut self) -> i32 {
        send(self.child.id(), Signal::SIGINT);
        let status = self.child.wait().expect("a child can be waited for");
        status.code().expect("it ends by itself")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_rack_survives_a_node_and_its_own_end() {
    let folder = tempfile::tempdir().unwrap();
    let tour = Tour { folder };
    let refused = tour.order(&["status"]);
    assert!(!refused.status.success());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("make rack"),
        "{refused:?}"
    );

    let running = tour.start();
    let path = format!("/{}/hello", tour.env()["HAYRACK_BUCKET"]);
    let get = Request::new("GET", &path);
    tour.ask(1, &Request::new("PUT", &path).body("hello"));
    let second = tour.order(&["run"]);
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("already runs"),
        "{second:?}"
    );
    let nobody = tour.order(&["kill", "4"]);
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("nodes are 1 to 3"),
        "{nobody:?}"
    );

    tour.obeyed(&["kill", "1"]);
    assert_eq!(tour.ask(2, &get), b"hello");
    let status = tour.obeyed(&["status"]);
    assert!(
        status.contains("node-1  volumed ended, s3d ended"),
        "{status}"
    );
    tour.obeyed(&["start", "1"]);
    tour.obeyed(&["pause", "3"]);
    let status = tour.obeyed(&["status"]);
    assert!(
        status.contains("node-3  volumed paused, s3d paused"),
        "{status}"
    );
    // A stop heals it first: what is paused cannot end.
    assert_eq!(running.interrupt(), 0);

    let running = tour.start();
    assert_eq!(tour.ask(3, &get), b"hello");
    tour.obeyed(&["stop"]);
    let mut child = running;
    assert!(child.child.wait().unwrap().success());
    assert_nothing_listens(&tour.data());
}

fn assert_nothing_listens(data: &Path) {
    for node in 1..=3 {
        let socket = data.join(format!("node-{node}/volumed/admin.sock"));
        assert!(std::os::unix::net::UnixStream::connect(socket).is_err());
    }
}
