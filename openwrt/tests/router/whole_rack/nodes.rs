//! The nodes as the operator's `rack` finds them, and a machine that takes the place of another.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hayrack_rack::network::NodeIndex;
use hayrack_rack::process::send;
use nix::sys::signal::Signal;

use super::Whole;
use crate::receivers::binaries;
use crate::site::{NODES, until};

/// The version that every node begins with, and the one that `rack update` brings.
const VERSIONS: [&str; 2] = ["1", "2"];
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Whole {
    /// Has the operator's `rack` reach the nodes.
    pub fn connect_operator(&mut self) -> anyhow::Result<()> {
        for node in NODES {
            let state = self.operator.path("state").join(node);
            fs::create_dir_all(&state)?;
            fs::write(state.join("version"), VERSIONS[0])?;
            fs::write(state.join("boot"), "x\n")?;
        }
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let slots = own.join("../rack/tests/command/node");
        let volumed = binaries()?.path("volumed")?;
        let programs = volumed.parent().context("a program in a folder")?;
        let name = self.site.machines.name().to_string();
        let state = self.operator.path("state");
        let variables = [
            ("NAMESPACES", name.as_ref()),
            ("FOLDERS", self.site.machines.folder().as_os_str()),
            ("PROGRAMS", programs.as_os_str()),
            ("SLOTS", slots.as_os_str()),
            ("STATE", state.as_os_str()),
        ];
        let on = own.join("tests/router/whole_rack/node/on");
        self.operator.reach_by(&on, &variables);
        Ok(())
    }

    /// Gives each node the settings that an image would bring.
    pub fn bring_settings(&self) -> anyhow::Result<()> {
        let build = self.operator.path("os-image/build");
        fs::create_dir_all(&build)?;
        let (script, kept) = (build.join("image"), build.join("settings.toml"));
        let text = "#!/bin/sh\ncp \"$SETTINGS\" \"$(dirname \"$0\")/settings.toml\"\necho image\n";
        fs::write(&script, text)?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        self.operator
            .rack(&["image", "--found", NODES[0], "--out", "images"])?;
        for node in NODES {
            let own = self.operator.path("state").join(node);
            fs::copy(&kept, own.join("settings.toml"))?;
        }
        Ok(())
    }

    /// The settings with which a node starts.
    pub fn settings_of(&self, node: &str) -> anyhow::Result<String> {
        let own = self.operator.path("state").join(node);
        Ok(fs::read_to_string(own.join("settings.toml"))?)
    }

    /// An update to another version, and where its manifest is.
    pub fn make_update(&self) -> anyhow::Result<String> {
        let folder = self.operator.path("new");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("root.img"), "root")?;
        let manifest = folder.join("update.toml");
        let text = format!(
            "version = \"{}\"\narch = \"arm64\"\nroot = \"root.img\"\n",
            VERSIONS[1]
        );
        fs::write(&manifest, text)?;
        fs::write(self.operator.path("state").join("wanted"), VERSIONS[1])?;
        Ok(manifest.display().to_string())
    }

    /// Runs `rack`; nodes that it has started anew meanwhile come back with the same daemons.
    pub fn run_rack(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = self.operator.command();
        command.args(words).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        while child.try_wait()?.is_none() {
            for index in self.rack.indices() {
                self.restart_if_wanted(index)?;
            }
            thread::sleep(LOOK_AGAIN);
        }
        let said = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "{words:?}: {errors}");
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    fn restart_if_wanted(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        let node = self.rack.node(index).name();
        let wanted = self.operator.path("state").join(node).join("restart");
        if !wanted.exists() {
            return Ok(());
        }
        self.rack.stop(index)?;
        // A server that gave its buckets away is not ready before it may take them again, which is for `rack` to do.
        self.rack.spawn(index)?;
        Ok(fs::remove_file(wanted)?)
    }

    /// Kills everything that runs on a node, as the loss of its power would.
    pub fn cut_power(&mut self, index: NodeIndex) -> anyhow::Result<()> {
        self.rack.kill(index);
        let namespace = self.site.machines.namespace(&self.rack.node(index).name());
        let left = self
            .site
            .machines
            .run("switch", &["ip", "netns", "pids", &namespace])?;
        for id in left.split_whitespace() {
            send(id.parse()?, Signal::SIGKILL);
        }
        Ok(())
    }

    /// Puts a new machine in a node's place: another MAC, empty disks, a host key of its own; it asks for its address.
    pub fn put_new_machine(&mut self, index: NodeIndex, mac: &str) -> anyhow::Result<()> {
        self.rack.wipe(index)?;
        let node = self.rack.node(index).name();
        let site = &mut self.site;
        for words in [
            "link set eth0 down",
            "addr flush dev eth0",
            &format!("link set eth0 address {mac}"),
            "link set eth0 up",
        ] {
            site.machines.ip(&node, words)?;
        }
        site.lease_address(&node)?;
        fs::remove_file(site.path(&format!("{node}.host")))?;
        site.start_ssh(&node)
    }

    /// Has the router do for a new machine what README.md says: forget the host key of the old one, and give it the
    /// certificates.
    pub fn introduce(&self, index: NodeIndex) -> anyhow::Result<()> {
        let address = self.rack.node(index).address.to_string();
        let known = self.site.text_path("known_hosts");
        let machines = &self.site.machines;
        machines.run("router", &["ssh-keygen", "-R", &address, "-f", &known])?;
        let push = self.site.text_path("push-certificate");
        // The router may know the old machine's MAC for some seconds.
        until("the new machine has the certificates", || {
            machines.run("router", &[&push]).is_ok()
        })
    }
}
