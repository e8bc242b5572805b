//! What a node's programs say, with types.

use std::fs::File;
use std::thread;

use os_image::LastSettings;
use rack_model::{Node, Rack};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use volumed_client::admin::{ClusterInfo, DiskInfo, Finding, JoinTokenInfo, NodeInfo, VolumeInfo};

use crate::reach::{Reach, ReachError, Said};

/// Where a node's image keeps the settings of its S3 server.
const S3D_SETTINGS: &str = "/etc/hayrack/s3d.toml";
/// The exit codes of `doctor` with which it has printed its findings.
const DOCTOR_CODES: [i32; 3] = [0, 1, 6];
/// Findings that mean that the node serves nothing now, whatever else is wrong.
const NOT_SERVING: [&str; 5] = [
    "volumed_not_running",
    "volumed_not_answering",
    "s3d_not_running",
    "s3d_not_ready",
    "s3_not_listening",
];

/// Why a node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No command was run there.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The command failed.
    #[error("{node}: `{command}` failed: {why}")]
    Failed {
        /// The node.
        node: String,
        /// The command.
        command: String,
        /// What it complained of.
        why: String,
    },
    /// It said something else than was asked.
    #[error(
        "{node}: `{command}` said something that this rack does not understand: {why}; are their versions the same?"
    )]
    NotUnderstood {
        /// The node.
        node: String,
        /// The command.
        command: String,
        /// What is not understood.
        why: String,
    },
}

/// A node that is asked.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// Which.
    pub node: &'a Node,
    reach: &'a dyn Reach,
}

/// What runs on a node and what became of its last update, as `hayrack-update status --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UpdateStatus {
    /// The version that runs.
    pub version: String,
    /// The slot that it runs from.
    pub running: String,
    /// The slot that is started next: the same one, unless the version is on trial.
    pub default: String,
}

/// Calls `job` with every node of the rack, all at one time; the results are in the order of the slots.
pub fn on_all<'a, T: Send>(
    rack: &'a Rack,
    reach: &'a dyn Reach,
    job: impl Fn(Machine<'a>) -> T + Sync,
) -> Vec<T> {
    let job = &job;
    thread::scope(|scope| {
        let started: Vec<_> = rack
            .nodes
            .iter()
            .map(|node| scope.spawn(move || job(Machine { node, reach })))
            .collect();
        let ended = started.into_iter().map(thread::ScopedJoinHandle::join);
        // A panic of one is a panic of all.
        ended
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl<'a> Machine<'a> {
    /// The node, to be asked that way.
    pub fn new(node: &'a Node, reach: &'a dyn Reach) -> Self {
        Self { node, reach }
    }

    /// What a command printed; it must succeed.
    pub fn text(&self, words: &[&str]) -> Result<String, AskError> {
        self.text_with(words, None)
    }

    /// The same, with a file as standard input.
    pub fn text_with(&self, words: &[&str], input: Option<File>) -> Result<String, AskError> {
        let said = self.reach.run(self.node, words, input)?;
        if said.code == Some(0) {
            Ok(said.output)
        } else {
            Err(self.failed(words, &said))
        }
    }

    fn failed(&self, words: &[&str], said: &Said) -> AskError {
        let code = said.code.map_or_else(
            || "a signal ended it".to_owned(),
            |code| format!("exit code {code}"),
        );
        AskError::Failed {
            node: self.node.name.to_string(),
            command: words.join(" "),
            why: if said.complaint.is_empty() {
                code
            } else {
                said.complaint.clone()
            },
        }
    }

    fn json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T, AskError> {
        self.understood(words, &self.text(words)?)
    }

    fn understood<T: DeserializeOwned>(&self, words: &[&str], text: &str) -> Result<T, AskError> {
        serde_json::from_str(text).map_err(|error| AskError::NotUnderstood {
            node: self.node.name.to_string(),
            command: words.join(" "),
            why: error.to_string(),
        })
    }

    /// The version of one of the daemons.
    pub fn version(&self, daemon: &str) -> Result<String, AskError> {
        let text = self.text(&[daemon, "--version"])?;
        Ok(text.trim().trim_start_matches(daemon).trim().to_owned())
    }

    /// Its clock, in seconds since 1970.
    pub fn clock(&self) -> Result<f64, AskError> {
        let words = ["date", "+%s.%N"];
        self.understood(&words, self.text(&words)?.trim())
    }

    /// Names that change with each start of the machine.
    pub fn boot_id(&self) -> Result<String, AskError> {
        Ok(self
            .text(&["cat", "/proc/sys/kernel/random/boot_id"])?
            .trim()
            .to_owned())
    }

    /// Whether its name servers know a name.
    pub fn knows_name(&self, name: &str) -> Result<bool, AskError> {
        let words = ["getent", "ahostsv4", name];
        let said = self.reach.run(self.node, &words, None)?;
        match said.code {
            Some(0) => Ok(true),
            // getent(1): the key could not be found.
            Some(2) => Ok(false),
            _ => Err(self.failed(&words, &said)),
        }
    }

    /// What is wrong with its daemons.
    pub fn findings(&self) -> Result<Vec<Finding>, AskError> {
        let words = ["s3d", "doctor", "--json", "--config", S3D_SETTINGS];
        let said = self.reach.run(self.node, &words, None)?;
        if said.code.is_some_and(|code| DOCTOR_CODES.contains(&code)) && !said.output.is_empty() {
            self.understood(&words, &said.output)
        } else {
            Err(self.failed(&words, &said))
        }
    }

    /// Why it serves no requests now, if it does not: volumed and s3d answer that they are ready, or say what is amiss.
    pub fn not_serving(&self) -> Result<Option<String>, AskError> {
        let findings = self.findings()?;
        let reason = findings
            .into_iter()
            .find(|finding| NOT_SERVING.contains(&finding.fault.as_str()));
        Ok(reason.map(|finding| finding.sentence))
    }

    /// Its disks.
    pub fn disks(&self) -> Result<Vec<DiskInfo>, AskError> {
        self.json(&["volumed", "disk", "list", "--json"])
    }

    /// The nodes of the cluster, as it sees them.
    pub fn nodes(&self) -> Result<Vec<NodeInfo>, AskError> {
        self.json(&["volumed", "node", "list", "--json"])
    }

    /// The volumes, as it sees them: what is stale is known where a volume is served.
    pub fn volumes(&self) -> Result<Vec<VolumeInfo>, AskError> {
        self.json(&["volumed", "volume", "list", "--json"])
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> Result<ClusterInfo, AskError> {
        self.json(&["volumed", "cluster", "show", "--json"])
    }

    /// Removes a node from the cluster for good.
    pub fn remove_node(&self, name: &str, accept_loss: bool) -> Result<(), AskError> {
        let mut words = vec!["volumed", "node", "remove", name];
        words.extend(accept_loss.then_some("--accept-loss"));
        self.text(&words).map(|_| ())
    }

    /// A token with which one node joins the cluster within so many hours.
    pub fn join_token(&self, hours: u8) -> Result<JoinTokenInfo, AskError> {
        self.json(&[
            "volumed",
            "cluster",
            "token",
            "--json",
            "--hours",
            &hours.to_string(),
        ])
    }

    /// Gives it the token with which it joins the cluster: all of the file.
    pub fn admit(&self, token: File) -> Result<(), AskError> {
        let words = ["hayrack-firstboot", "admit"];
        self.text_with(&words, Some(token)).map(|_| ())
    }

    /// The settings with which it starts, as TOML.
    pub fn settings(&self) -> Result<String, AskError> {
        self.text(&["hayrack-firstboot", "settings"])
    }

    /// Has its next start try other settings: all of the file.
    pub fn configure(&self, settings: File) -> Result<(), AskError> {
        let words = ["hayrack-firstboot", "configure"];
        self.text_with(&words, Some(settings)).map(drop)
    }

    /// What became of the settings that came last.
    pub fn last_settings(&self) -> Result<LastSettings, AskError> {
        self.json(&["hayrack-firstboot", "last-settings"])
    }

    /// Starts it anew.
    pub fn reboot(&self) -> Result<(), AskError> {
        self.text(&["systemctl", "reboot"]).map(drop)
    }

    /// Has its server give its buckets to the others, and waits for that; or lets it take buckets again.
    pub fn drain(&self, cancel: bool) -> Result<(), AskError> {
        let mut words = vec!["s3d", "drain", "--config", S3D_SETTINGS];
        words.extend(cancel.then_some("--cancel"));
        self.text(&words).map(|_| ())
    }

    /// What runs on it.
    pub fn update_status(&self) -> Result<UpdateStatus, AskError> {
        self.json(&["hayrack-update", "status", "--json"])
    }
}
