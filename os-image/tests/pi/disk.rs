//! A disk's image, read without loop devices.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A partition: its number is its place in the table.
#[derive(Debug)]
pub struct Partition {
    pub name: String,
    /// Its type, as GPT has it.
    pub kind: String,
    /// Where it begins, in bytes.
    start: u64,
}

/// An image.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    pub partitions: Vec<Partition>,
}

impl Disk {
    pub fn open(path: &Path) -> Self {
        let table = output(Command::new("sfdisk").arg("--json").arg(path)).expect("it has a table");
        let table: Value = serde_json::from_slice(&table).expect("sfdisk prints JSON");
        let partitions = table["partitiontable"]["partitions"]
            .as_array()
            .expect("a table has partitions");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let partitions = partitions.iter().map(|partition| Partition {
            name: text(&partition["name"]),
            kind: text(&partition["type"]),
            start: partition["start"]
                .as_u64()
                .expect("a partition has a start")
                * 512,
        });
        Self {
            path: path.to_owned(),
            partitions: partitions.collect(),
        }
    }

    /// The names of the files at the top of a FAT partition; none if it is no FAT.
    pub fn files(&self, partition: &str) -> Vec<String> {
        let listed = self.mtools("mdir", partition, &["-b", "::"]);
        let listed = String::from_utf8(listed.unwrap_or_default()).expect("names are text");
        listed
            .lines()
            .map(|line| line.trim_start_matches("::/").to_owned())
            .collect()
    }

    /// The bytes of a file of a FAT partition.
    pub fn bytes(&self, partition: &str, file: &str) -> Option<Vec<u8>> {
        self.mtools("mtype", partition, &[&format!("::{file}")])
    }

    /// A file of a FAT partition.
    pub fn text(&self, partition: &str, file: &str) -> Option<String> {
        String::from_utf8(self.bytes(partition, file)?).ok()
    }

    fn mtools(&self, program: &str, partition: &str, arguments: &[&str]) -> Option<Vec<u8>> {
        let found = self
            .partitions
            .iter()
            .find(|found| found.name == partition)?;
        let place = format!("{}@@{}", self.path.display(), found.start);
        output(Command::new(program).args(["-i", &place]).args(arguments))
    }
}

/// What a program printed; nothing if it failed.
fn output(command: &mut Command) -> Option<Vec<u8>> {
    let output = command.env("MTOOLS_SKIP_CHECK", "1").output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    output.status.success().then_some(output.stdout)
}
