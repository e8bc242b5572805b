//! Nodes that take certificates: SSH servers whose one key opens one program, and a real s3d.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use hayrack_rack::binaries::Binaries;
use hayrack_rack::network::output;

use crate::site::{Site, file, until};

impl Site {
    /// Starts a node's SSH server, set as a node image sets it.
    pub fn start_ssh(&mut self, node: &str) -> anyhow::Result<()> {
        fs::create_dir_all(self.path(node))?;
        let host_key = self.text_path(&format!("{node}.host"));
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f", &host_key]);
        output(&mut make, "")?;
        let authorized = self.text_path(&format!("{node}.authorized"));
        fs::write(&authorized, self.authorized_key(node)?)?;
        let config = self.text_path(&format!("{node}.sshd"));
        let settings = format!(
            "ListenAddress 0.0.0.0\nHostKey {host_key}\nAuthorizedKeysFile {authorized}\nStrictModes no\n\
             PermitRootLogin forced-commands-only\nPasswordAuthentication no\nUsePAM no\nPidFile none\n"
        );
        fs::write(&config, settings)?;
        fs::create_dir_all("/run/sshd")?;
        let mut sshd = self.machines.command(node, "/usr/sbin/sshd");
        self.machines
            .start("sshd", sshd.args(["-D", "-e", "-f", &config]))?;
        Ok(())
    }

    /// The line of `authorized_keys`, with the paths of this test.
    fn authorized_key(&self, node: &str) -> anyhow::Result<String> {
        let private = file(&self.rendered.router, "etc/hayrack/certificate.key")?;
        let key = self.text_path("certificate.key");
        fs::write(&key, private)?;
        output(Command::new("chmod").args(["600", &key]), "")?;
        let public = output(Command::new("ssh-keygen").args(["-yf", &key]), "")?;
        let accept = self.write_program("accept-certificate", openwrt::ACCEPT_CERTIFICATE)?;
        let reload = self.write_program(&format!("{node}.reload"), &self.reload(node))?;
        Ok(openwrt::authorized_key(&public)
            .replace("/usr/lib/hayrack/accept-certificate", &accept)
            .replace("/etc/hayrack", &self.text_path(node))
            .replace(" hayrack ", " root ")
            .replace("systemctl reload-or-restart s3d.service", &reload))
    }

    /// Stands for systemd: signals s3d, if it runs, and counts.
    fn reload(&self, node: &str) -> String {
        let (namespace, count) = (self.machines.namespace(node), self.reload_count(node));
        format!(
            "#!/bin/sh\necho >>{}\nfor id in $(ip netns pids {namespace}); do\n    \
             [ \"$(cat /proc/$id/comm)\" != s3d ] || kill -HUP $id\ndone\n",
            count.display()
        )
    }

    fn reload_count(&self, node: &str) -> PathBuf {
        self.path(&format!("{node}.reloads"))
    }

    /// How often a node was told of a certificate.
    pub fn reloads(&self, node: &str) -> usize {
        let count = fs::read(self.reload_count(node));
        count.map_or(0, |lines| lines.len())
    }

    /// Starts volumed and s3d on a node, as the router wants s3d to be set.
    pub fn start_s3d(&mut self, node: &str) -> anyhow::Result<()> {
        let binaries = binaries()?;
        let (disk, data) = (self.text_path("disk0"), self.text_path("volumed"));
        fs::create_dir(&disk)?;
        let config = self.text_path("volumed.toml");
        fs::write(
            &config,
            format!("disks = [\"{disk}\"]\ndata = \"{data}\"\n"),
        )?;
        let mut volumed = self.machines.command(node, binaries.path("volumed")?);
        self.machines
            .start("volumed", volumed.args(["serve", "--config", &config]))?;
        until("volumed", || self.path("volumed/admin.sock").exists())?;

        let settings = openwrt::s3d_settings(&self.rack);
        let settings = settings.replace("/etc/hayrack", &self.text_path(node));
        let own = format!(
            "data = \"{}\"\nvolumed = \"{data}/admin.sock\"\nstore = \"{data}/meta.db\"\n\
             log_level = \"info,s3d::requests=debug\"\n",
            self.text_path("s3d")
        );
        let config = self.text_path("s3d.toml");
        fs::write(&config, settings + &own)?;
        let mut s3d = self.machines.command(node, binaries.path("s3d")?);
        self.machines
            .start("s3d", s3d.args(["serve", "--config", &config]))?;
        Ok(())
    }
}

/// The programs that were built beside this test.
pub fn binaries() -> anyhow::Result<Binaries> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program in a folder")?;
    Ok(Binaries::beside(folder))
}
