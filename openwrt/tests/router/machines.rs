//! Machines as network namespaces: some behind the router, some in the world outside.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hayrack_rack::name::RackName;
use hayrack_rack::network::{namespaces, output, remove_namespace};
use hayrack_rack::process::{Process, of_racks, send};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

/// Whether machines can be made here, which CI has to check.
pub fn can_be_made() -> bool {
    let can = geteuid().is_root();
    assert!(can || std::env::var_os("CI").is_none(), "CI needs root");
    if !can {
        println!("left out, since it needs root: a router with machines around it");
    }
    can
}

/// Where a machine is plugged in.
#[derive(Clone, Copy)]
pub enum Plug {
    /// The rack's switch.
    Inside,
    /// What stands for the internet.
    Outside,
}

/// All machines of a test. What they run ends with them.
pub struct Machines {
    name: RackName,
    // Ends before the namespaces go.
    processes: Vec<Process>,
    folder: tempfile::TempDir,
}

impl Machines {
    /// None yet, with what they are plugged in at.
    pub fn new() -> anyhow::Result<Self> {
        remove_leftovers()?;
        let machines = Self {
            name: RackName::next(),
            processes: Vec::new(),
            folder: tempfile::tempdir()?,
        };
        machines.add("switch")?;
        for plug in [Plug::Inside, Plug::Outside] {
            let bridge = plug.bridge();
            machines.ip("switch", &format!("link add {bridge} type bridge"))?;
            machines.ip("switch", &format!("link set {bridge} up"))?;
        }
        Ok(machines)
    }

    /// What they are found by.
    pub fn name(&self) -> RackName {
        self.name
    }

    /// A folder that goes with them.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The name of a machine's namespace.
    pub fn namespace(&self, machine: &str) -> String {
        format!("{}-{machine}", self.name)
    }

    /// Makes a machine.
    pub fn add(&self, machine: &str) -> anyhow::Result<()> {
        output(
            Command::new("ip").args(["netns", "add", &self.namespace(machine)]),
            "",
        )?;
        self.ip(machine, "link set lo up")
    }

    /// Gives a machine a device, with a MAC of its own if it must have a certain one.
    pub fn plug(
        &self,
        machine: &str,
        device: &str,
        plug: Plug,
        mac: Option<&str>,
    ) -> anyhow::Result<()> {
        let (port, bridge) = (format!("{machine:.9}-{:.3}", plug.bridge()), plug.bridge());
        let peer = format!("peer name {device} netns {}", self.namespace(machine));
        self.ip("switch", &format!("link add {port} type veth {peer}"))?;
        self.ip("switch", &format!("link set {port} master {bridge} up"))?;
        if let Some(mac) = mac {
            self.ip(machine, &format!("link set {device} address {mac}"))?;
        }
        self.ip(machine, &format!("link set {device} up"))
    }

    /// Runs `ip` for a machine.
    pub fn ip(&self, machine: &str, words: &str) -> anyhow::Result<()> {
        let mut command = Command::new("ip");
        command.args(["-n", &self.namespace(machine)]);
        output(command.args(words.split_whitespace()), "").map(drop)
    }

    /// A command on a machine.
    pub fn command(&self, machine: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(machine)]);
        command.arg(program);
        command
    }

    /// What a command that has to succeed prints.
    pub fn run(&self, machine: &str, words: &[&str]) -> anyhow::Result<String> {
        self.run_with(machine, words, "")
    }

    /// As `run`, with an input.
    pub fn run_with(&self, machine: &str, words: &[&str], input: &str) -> anyhow::Result<String> {
        output(self.command(machine, words[0]).args(&words[1..]), input)
    }

    /// Starts what goes on running; what it says is in [`Self::log`].
    pub fn start(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<u32> {
        let process = Process::start(name, self.name, command, &self.log_path())?;
        let id = process.id();
        self.processes.push(process);
        Ok(id)
    }

    /// Ends what was started under that process id.
    pub fn stop(&mut self, id: u32) {
        self.processes.retain(|process| process.id() != id);
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// What everything that runs has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Plug {
    fn bridge(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.processes.clear();
        let own = |namespace: &String| RackName::of_namespace(namespace) == Some(self.name);
        for namespace in namespaces().unwrap_or_default().iter().filter(|it| own(it)) {
            let _ = remove_namespace(namespace);
        }
    }
}

/// What tests that were killed left behind.
fn remove_leftovers() -> anyhow::Result<()> {
    for (process, rack) in of_racks()? {
        if rack.is_left_behind() {
            send(process, Signal::SIGKILL);
        }
    }
    for namespace in namespaces()? {
        if RackName::of_namespace(&namespace).is_some_and(RackName::is_left_behind) {
            // Another test may remove it, too.
            let _ = remove_namespace(&namespace);
        }
    }
    Ok(())
}
