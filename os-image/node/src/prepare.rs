//! What happens at every start before the network is there: this machine becomes its node of the rack.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::certificate::{CertificateError, make_first};
use crate::disks::{Mounted, TakeError, take};
use crate::durable;
use crate::machine::Machine;
use crate::program::{ProgramError, run};
use crate::settings::{Node, Settings, SettingsError};
use crate::{ports, render, settings_trial};

/// Whom the daemons run as.
pub const USER: &str = "hayrack";
/// What keeps settings that are on trial, or goes back.
const KEEPER: &str = "hayrack-settings.service";

/// Why the machine is no node.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// There are no settings, or the machine is not in them.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is unknown which settings this start has.
    #[error("cannot change the files of the node's settings: {0}")]
    Trial(io::Error),
    /// The firewall did not take its rules again.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// s3d's settings cannot be written as TOML.
    #[error("the rack's settings of s3d cannot be written: {0}; build the image anew")]
    S3d(#[from] toml::ser::Error),
    /// s3d has no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It has no disks.
    #[error(transparent)]
    Disks(#[from] TakeError),
    /// The daemons' user is missing.
    #[error("there is no user {USER}: install hayrack-volumed")]
    NoUser,
}

/// Which node this machine is, by the settings that hold in this start.
pub fn own(machine: &Machine) -> Result<(Settings, Node), SettingsError> {
    let settings = Settings::load(&settings_trial::in_use(machine))?;
    let node = settings.node_with(&ports::macs(machine))?.clone();
    Ok((settings, node))
}

/// Makes this machine its node. First what is needed to log in and look, then the disks.
pub fn prepare(machine: &Machine, report: impl Fn(&str)) -> Result<(), PrepareError> {
    if settings_trial::begin(machine).map_err(PrepareError::Trial)? {
        report("this start tries changed settings");
        // Before anything of them can fail.
        run("systemctl", ["start", "--no-block", KEEPER])?;
    }
    let (settings, node) = own(machine)?;
    report(&format!(
        "this is {} of the rack {}",
        node.name, settings.rack
    ));
    reachable(machine, &settings, &node)?;
    let disks = take(machine, &settings, &node, &report)?;
    for disk in &disks {
        report(&format!(
            "disk {} is at {}",
            disk.number,
            disk.mount_point.display()
        ));
    }
    hand_over(&disks)?;
    write(
        &machine.path("/etc/hayrack/volumed.toml"),
        &render::volumed(&disks),
    )?;
    write(
        &machine.path("/etc/hayrack/s3d.toml"),
        &render::s3d(&settings, &node)?,
    )?;
    if make_first(machine, &settings.s3d, USER)? {
        report("s3d has a certificate of this node's own until the rack's comes");
    }
    Ok(())
}

/// Name, network, firewall, and who may log in.
fn reachable(machine: &Machine, settings: &Settings, node: &Node) -> Result<(), PrepareError> {
    write(&machine.path("/etc/hostname"), &format!("{}\n", node.name))?;
    let kernel = machine.path("/proc/sys/kernel/hostname");
    fs::write(&kernel, &node.name).map_err(|source| PrepareError::Write {
        path: kernel,
        source,
    })?;
    write(&machine.path("/etc/hosts"), &render::hosts(settings))?;
    write(&machine.run("resolv.conf"), &render::resolver(settings))?;
    write(
        &machine.run("authorized_keys"),
        &render::authorized_keys(settings),
    )?;
    write(
        &machine.run("firewall.d/rack.nft"),
        &render::firewall(settings),
    )?;
    if settings.forge.as_ref() == Some(&node.name) {
        // The forge's units wait for this file.
        write(&machine.run("forge"), "")?;
    }
    let network = machine.path("/run/systemd/network/10-rack.network");
    write(&network, &render::network(settings, node))?;
    // At first neither runs yet, and takes what it finds when it starts.
    for unit in ["hayrack-firewall.service", "systemd-networkd.service"] {
        run("systemctl", ["try-restart", "--no-block", unit])?;
    }
    Ok(())
}

/// The daemons' user gets what is the daemons'.
fn hand_over(disks: &[Mounted]) -> Result<(), PrepareError> {
    let user = User::from_name(USER).ok().flatten();
    let user = user.ok_or(PrepareError::NoUser)?;
    let pools = disks.iter().map(|disk| disk.mount_point.join("pool"));
    let own = ["/var/lib/hayrack", "/var/lib/hayrack/volumed"].map(PathBuf::from);
    for folder in pools.chain(own) {
        let made = fs::create_dir_all(&folder)
            .and_then(|()| chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())));
        made.map_err(|source| PrepareError::Write {
            path: folder,
            source,
        })?;
    }
    Ok(())
}

/// A file that says what is wanted already is left as it is: flash wears.
fn write(path: &Path, text: &str) -> Result<(), PrepareError> {
    if fs::read_to_string(path).is_ok_and(|current| current == text) {
        return Ok(());
    }
    durable::replace(path, text.as_bytes()).map_err(|source| PrepareError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_if_it_says_something_else() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let inode = || fs::metadata(&path).unwrap().ino();
        write(&path, "one").unwrap();
        let first = inode();
        let _keep = fs::File::open(&path).unwrap();
        write(&path, "one").unwrap();
        assert_eq!(inode(), first);
        write(&path, "two").unwrap();
        assert_ne!(inode(), first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }

    #[test]
    fn a_machine_without_settings_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = own(&Machine::at(folder.path())).unwrap_err().to_string();
        assert!(
            error.contains("settings.toml") && error.contains("build the image"),
            "{error}"
        );
    }
}
