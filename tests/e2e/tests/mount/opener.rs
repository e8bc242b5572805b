//! Somebody who has a file open. It is a process of its own: a file that is open in a test is flushed
//! whenever any test starts a process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hayrack_e2e::clients::source;

pub struct Opener {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Opener {
    /// Opens a file to read and write it. `flags`: further ones, by name.
    pub fn open(path: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .arg(source().join("python/opener.py"))
            .arg(path)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be run");
        let stdout = child.stdout.take().expect("it is piped");
        let mut opener = Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(stdout),
            child,
        };
        assert_eq!(opener.answer(), "open");
        opener
    }

    /// What comes of a line of `opener.py`.
    pub fn does(&mut self, line: &str) -> String {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{line}").expect("it waits for a line");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    /// Closes the file.
    pub fn close(mut self) {
        self.stdin = None;
        self.child.wait().expect("it ends");
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        // It may have ended, and must not keep the file system busy.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
