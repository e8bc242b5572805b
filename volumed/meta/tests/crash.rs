//! Two processes change one store and are killed in the middle of it, again and again: every
//! acknowledged transaction is there, whole, and no revision is given twice.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use volumed_meta::{Change, Compare, MetaStore, Outcome, SqliteStore};

const FOLDER: &str = "META_CRASH_FOLDER";
const WRITER: &str = "META_CRASH_WRITER";
const ROUNDS: usize = 5;

/// Not a test: what the killed processes run. Each transaction writes two keys that belong
/// together, and says so on stdout once it is acknowledged.
#[test]
#[ignore = "run by the other test in a process of its own"]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let writer = std::env::var(WRITER).unwrap();
    let store = SqliteStore::open(Path::new(&folder).join("meta.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
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

fn spawn(folder: &Path, writer: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(WRITER, writer)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// What a line of a writer acknowledges: its number and revision.
fn acknowledged(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split("ack ").nth(1)?.split_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut revisions: HashMap<u64, String> = HashMap::new();
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let names = [format!("{round}a"), format!("{round}b")];
        let mut writers = names.each_ref().map(|name| spawn(folder.path(), name));
        // Each has acknowledged something before the kill comes.
        let mut lines: [Vec<String>; 2] = [vec![], vec![]];
        for (index, (_, out)) in writers.iter_mut().enumerate() {
            for line in out.lines() {
                lines[index].push(line.unwrap());
                if lines[index]
                    .iter()
                    .filter_map(|line| acknowledged(line))
                    .count()
                    >= 20
                {
                    break;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(rand::random_range(0..50)));
        for (child, _) in &mut writers {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for (index, (_, out)) in writers.into_iter().enumerate() {
            // A line that the kill cut short acknowledges nothing: it lacks its end.
            let rest = read_rest(out);
            let whole = rest
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
            let rest = String::from_utf8(rest[..whole].to_vec()).unwrap();
            lines[index].extend(rest.lines().map(str::to_owned));
            for (number, revision) in lines[index].iter().filter_map(|line| acknowledged(line)) {
                let who = format!("{}/{number:08}", names[index]);
                let twice = revisions.insert(revision, who.clone());
                assert_eq!(twice, None, "revision {revision} given again to {who}");
                expected.push((who, revision));
            }
        }
        check(folder.path(), &expected);
    }
    assert!(expected.len() >= ROUNDS * 40);
}

fn read_rest(mut out: BufReader<ChildStdout>) -> Vec<u8> {
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    rest
}

fn check(folder: &Path, expected: &[(String, u64)]) {
    let store = SqliteStore::open(folder.join("meta.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let newest = store.revision().await.unwrap();
        let (_, left) = store.range(b"left/", None, usize::MAX).await.unwrap();
        let (_, right) = store.range(b"right/", None, usize::MAX).await.unwrap();
        let revision = |half: &[volumed_meta::Entry], prefix: usize| -> HashMap<Vec<u8>, u64> {
            half.iter()
                .map(|entry| (entry.key[prefix..].to_vec(), entry.modified))
                .collect()
        };
        let (left, right) = (revision(&left, 5), revision(&right, 6));
        assert_eq!(left, right, "a transaction is there in half");
        for (who, revision) in expected {
            assert_eq!(
                left.get(who.as_bytes()),
                Some(revision),
                "{who} was acknowledged"
            );
            assert!(*revision <= newest);
        }
    });
}
