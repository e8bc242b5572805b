//! A rack of three nodes, each of which is a folder; `node/` has the scripts that are its programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const ATTIC: &str = include_str!("../../rack.toml");
/// What is wrong with a node whose server does not run.
pub const NOT_READY: &str = r#"[{"severity": "fault", "fault": "s3d_not_ready", "sentence": "s3d does not serve requests.",
    "cure": "journalctl -u s3d"}]"#;

/// The rack; it goes when this is dropped.
pub struct Site {
    folder: TempDir,
}

/// How a command ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub output: String,
    /// What it complained of.
    pub errors: String,
}

impl Site {
    /// A rack that is whole: three nodes with one disk each, all at version 1.
    pub fn whole() -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        site.write("rack.toml", ATTIC);
        site.write("state/volumes.json", "[]");
        site.write(
            "state/names",
            "s3.example.org\nbucket.s3.example.org\ns3-api.example.org\n",
        );
        site.write("state/cluster.json", CLUSTER);
        let mut nodes = Vec::new();
        for number in 1..=3 {
            let name = format!("node-{number}");
            nodes.push(member(&name, number));
            site.set(&name, "volumed", "0.1.0");
            site.set(&name, "version", "1");
            site.set(&name, "boot", "x\n");
            site.set(&name, "ahead", "0");
            site.set(&name, "findings.json", "[]");
            site.set(&name, "disks.json", DISKS);
        }
        // One line each, so that a script can take one out.
        site.write("state/nodes.json", &format!("[{}\n]", nodes.join(",\n")));
        site
    }

    /// A file in the rack's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the rack's folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a folder"))
            .expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// Writes a file of a node's state.
    pub fn set(&self, node: &str, name: &str, text: &str) {
        self.write(&format!("state/{node}/{name}"), text);
    }

    /// Reads a file in the rack's folder; empty when it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs `rack` in the rack's folder.
    pub fn rack(&self, words: &[&str]) -> Ended {
        self.rack_with(words, Stdio::null())
    }

    /// The same, with a standard input.
    pub fn rack_with(&self, words: &[&str], input: Stdio) -> Ended {
        run(self.command(words).stdin(input))
    }

    /// The same, with other variables.
    pub fn rack_in(&self, words: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.command(words);
        run(command.envs(variables.iter().copied()).stdin(Stdio::null()))
    }

    fn command(&self, words: &[&str]) -> Command {
        let on = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/node/on");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rack"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("RACK_REACH", format!("exec:{} {{name}}", on.display()))
            .env("STATE", self.path("state"))
            .env_remove("RACK_FILE")
            .env_remove("RACK_IDENTITY")
            .env_remove("UPDATE_KEY");
        command
    }
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("rack can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Ended {
        code: output.status.code().expect("no signal ends it"),
        output: text(output.stdout),
        errors: text(output.stderr),
    }
}

impl Ended {
    /// Fails unless it ended with that code; what was printed, with the complaints after it.
    #[track_caller]
    pub fn with(self, code: i32) -> String {
        let said = format!("{}{}", self.output, self.errors);
        assert_eq!(self.code, code, "{said}");
        said
    }
}

/// Fails unless the text has all parts.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// A member of the cluster, in one line.
fn member(name: &str, number: u8) -> String {
    format!(
        "{{\"id\": \"{number:032x}\", \"number\": {number}, \"name\": \"{name}\", \"addresses\": [], \"here\": false, \
         \"up\": true, \"down_since\": null, \"unreachable\": null, \"etcd\": true, \"disks\": 1, \"capacity\": 1000, \
         \"used\": 1, \"free\": 999, \"served\": 2}}"
    )
}

const DISKS: &str = r#"[{"id": "d1", "path": "/srv/ssd0", "state": "online", "capacity": 1073741824, "used": 268435456,
    "free": 805306368}]"#;
/// Its certificate expires in the year 2100.
const CLUSTER: &str = r#"{"id": "c", "node": "node-1", "fingerprint": "f", "nodes": 3, "members": [],
    "certificate_expires": 4102444800}"#;
