//! A guest with volumed, and a shell in it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::guest::{Machine, Written};

/// How long a command may take; nothing here measures time, and the host may be paused.
const LIMIT: Duration = Duration::from_mins(30);

/// A guest that runs.
pub struct Guest {
    machine: Machine,
    shell: UnixStream,
    commands: u32,
    written: Written,
}

impl Guest {
    /// Boots from the disk in `folder`.
    pub fn boot(folder: &Path) -> Self {
        let (socket, written) = (folder.join("shell"), Written::of(folder));
        let _ = fs::remove_file(&socket);
        let mut ports = vec![
            "-serial".to_owned(),
            format!("unix:{},server=on,wait=off", socket.display()),
            "-net".to_owned(),
            "none".to_owned(),
        ];
        ports.extend(written.port());
        let machine = Machine::boot(folder, "hayrack=volumes", &ports);
        let shell = UnixStream::connect(&socket).expect("qemu listens for the shell");
        shell
            .set_read_timeout(Some(LIMIT))
            .expect("a socket can time out");
        Self {
            machine,
            shell,
            commands: 0,
            written,
        }
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn run(&mut self, command: &str) -> String {
        let (printed, status) = self.try_run(command);
        assert_eq!(
            status,
            0,
            "{command}:\n{printed}\nThe console:\n{}",
            self.machine.console()
        );
        printed
    }

    /// Runs a command, and returns what it printed and its exit code.
    pub fn try_run(&mut self, command: &str) -> (String, i32) {
        self.commands += 1;
        let end = format!("END-{} ", self.commands);
        writeln!(self.shell, "{{ {command}; }} </dev/null; echo \"{end}$?\"")
            .expect("the shell listens");
        let mut printed = Vec::new();
        let mut byte = [0];
        loop {
            let read = self.shell.read(&mut byte);
            assert!(
                matches!(read, Ok(1)),
                "{command} does not end:\n{}\nThe console:\n{}",
                String::from_utf8_lossy(&printed),
                self.machine.console()
            );
            printed.push(byte[0]);
            let text = String::from_utf8_lossy(&printed);
            let status = text.rfind(&end).map(|at| &text[at + end.len()..]);
            if let Some(status) = status.and_then(|rest| rest.strip_suffix('\n')) {
                let status = status.trim().parse().expect("a shell ends with a number");
                let printed = text[..text.rfind(&end).unwrap_or(0)].to_owned();
                println!("{command}\n{printed}");
                return (printed, status);
            }
        }
    }

    /// Waits until a command succeeds.
    pub fn wait_for(&mut self, command: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.try_run(command).1 != 0 {
            assert!(
                Instant::now() < deadline,
                "{command} does not come true:\n{}\n{}",
                self.run("dmesg | tail -n 30"),
                self.machine.console()
            );
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Sends a signal to what runs as `volumed WORD…`, which something must.
    pub fn signal(&mut self, signal: &str, word: &str) {
        self.run(&format!(
            "sent=; for pid in $(pidof volumed); do \
             if tr '\\0' ' ' </proc/$pid/cmdline | grep -q 'volumed {word} '; then kill -{signal} $pid; sent=$pid; fi; \
             done; [ -n \"$sent\" ]"
        ));
    }

    /// The last number that `writer` says is durable; 0 before the first.
    ///
    /// # Panics
    /// When something that it did failed and had not to.
    pub fn last_durable(&self) -> u32 {
        let last = self.written.last_durable();
        last.unwrap_or_else(|written| panic!("{written}\n{}", self.machine.console()))
    }

    /// Waits until `more` numbers are durable than are now.
    pub fn wait_for_writes(&self, more: u32) {
        let enough = self.last_durable() + more;
        let deadline = Instant::now() + LIMIT;
        while self.last_durable() < enough {
            assert!(
                Instant::now() < deadline,
                "nothing is written any more:\n{}",
                self.machine.console()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until what `writer` does fails, which ends it.
    pub fn wait_for_failure(&mut self) {
        let deadline = Instant::now() + LIMIT;
        while self.written.text().1 == self.written.failures {
            assert!(
                Instant::now() < deadline,
                "nothing fails:\n{}",
                self.machine.console()
            );
            thread::sleep(Duration::from_millis(50));
        }
        self.written.failures += 1;
    }

    /// Has `writer` begin to write in a folder, where it was before.
    pub fn start_writer(&mut self, folder: &str) {
        let first = self.last_durable() + 1;
        self.run(&format!("(/writer {folder} {first} >/dev/null 2>&1 &)"));
    }

    /// Ends `writer` after what it is at.
    pub fn stop_writer(&mut self, folder: &str) {
        self.run(&format!("touch {folder}/stop"));
        self.wait_for("! pidof writer >/dev/null");
        self.run(&format!("rm {folder}/stop"));
    }

    /// Looks for everything that was durable.
    pub fn verify(&mut self, folder: &str) {
        let last = self.last_durable();
        assert!(last > 0, "nothing was written");
        let lost = self.run(&format!("/verify {folder} {last}"));
        assert_eq!(lost, "", "of {last}:\n{}", self.machine.console());
    }

    /// Ends it at once, with whatever is in its memory.
    pub fn cut_power(mut self) {
        self.machine.cut_power();
    }
}
