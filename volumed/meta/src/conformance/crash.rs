//! Two processes change one store and are killed in the middle of it, again and again: every
//! acknowledged transaction is there, whole, and no revision is given twice.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Backend;
use crate::{Change, Compare, Entry, Location, MetaStore, Outcome};

const LOCATION: &str = "META_CRASH_LOCATION";
const WRITER: &str = "META_CRASH_WRITER";
const ROUNDS: usize = 5;

/// What a killed process runs. Each transaction writes two keys that belong together, and says so on
/// stdout once it is acknowledged.
pub fn writer() {
    let Ok(location) = std::env::var(LOCATION) else {
        return;
    };
    let location: Location = location.parse().unwrap();
    let writer = std::env::var(WRITER).unwrap();
    runtime().block_on(async {
        let store = crate::open(location).await.unwrap();
        let mut out = std::io::stdout();
        for number in 0_u64.. {
            let key = |half: &str| format!("{half}/{writer}/{number:08}").into_bytes();
            let compares = vec![Compare::Absent(key("left"))];
            let changes =
                ["left", "right"].map(|half| Change::Put(key(half), number.to_be_bytes().to_vec()));
            match store.transact(compares, changes.to_vec()).await.unwrap() {
                Outcome::Committed(revision) => {
                    writeln!(out, "ack {writer} {number} {revision}").unwrap();
                    out.flush().unwrap();
                }
                Outcome::Refused => panic!("nobody else writes this key"),
            }
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A process that runs [`writer`].
struct Writer {
    name: String,
    child: Child,
    out: BufReader<ChildStdout>,
    acknowledged: Vec<(u64, u64)>,
}

impl Writer {
    fn spawn(location: &Location, test: &str, name: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(LOCATION, location.to_string())
            .env(WRITER, &name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self {
            name,
            child,
            out,
            acknowledged: Vec::new(),
        }
    }

    fn read_until(&mut self, acknowledged: usize) {
        while self.acknowledged.len() < acknowledged {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "a writer ended by itself");
            self.acknowledged.extend(acknowledgement(&line));
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn read_rest(&mut self) {
        let mut rest = Vec::new();
        self.out.read_to_end(&mut rest).unwrap();
        // A line that the kill cut short acknowledges nothing: it lacks its end.
        let end = rest.iter().rposition(|byte| *byte == b'\n');
        let whole = &rest[..end.map_or(0, |end| end + 1)];
        let whole = std::str::from_utf8(whole).unwrap();
        self.acknowledged
            .extend(whole.lines().filter_map(acknowledgement));
    }
}

/// What a line of a writer acknowledges: its number and revision.
fn acknowledgement(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split("ack ").nth(1)?.split_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// `test` is the path of the test that runs [`writer`], with the crate's name in front.
pub fn nothing_acknowledged_is_lost_by_kill_9(backend: &mut impl Backend, test: &str) {
    let (_, test) = test.split_once("::").unwrap();
    let mut revisions: HashMap<u64, String> = HashMap::new();
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let names = [format!("{round}a"), format!("{round}b")];
        let mut writers = names.map(|name| Writer::spawn(&backend.location(), test, name));
        for writer in &mut writers {
            // Each round is killed somewhere else.
            writer.read_until(20 + 7 * round);
        }
        backend.kill();
        writers.iter_mut().for_each(Writer::kill);
        for mut writer in writers {
            writer.read_rest();
            for (number, revision) in writer.acknowledged {
                let who = format!("{}/{number:08}", writer.name);
                let twice = revisions.insert(revision, who.clone());
                assert_eq!(twice, None, "revision {revision} given again to {who}");
                expected.push((who, revision));
            }
        }
        check(&backend.location(), &expected);
    }
    assert!(expected.len() >= ROUNDS * 40);
}

fn check(location: &Location, expected: &[(String, u64)]) {
    runtime().block_on(async {
        let store = crate::open(location).await.unwrap();
        let newest = store.revision().await.unwrap();
        let (left, right) = (half(&*store, "left/").await, half(&*store, "right/").await);
        assert_eq!(left, right, "a transaction is there in half");
        for (who, revision) in expected {
            let found = left.get(who.as_bytes());
            assert_eq!(found, Some(revision), "{who} was acknowledged");
            assert!(*revision <= newest);
        }
    });
}

/// What follows the prefix, and the revision that wrote it.
async fn half(store: &dyn MetaStore, prefix: &str) -> HashMap<Vec<u8>, u64> {
    let (_, entries) = store
        .range(prefix.as_bytes(), None, usize::MAX)
        .await
        .unwrap();
    let rest = |entry: Entry| (entry.key[prefix.len()..].to_vec(), entry.modified);
    entries.into_iter().map(rest).collect()
}
