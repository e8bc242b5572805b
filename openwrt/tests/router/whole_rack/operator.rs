//! Who runs the rack, with the command `rack` alone: describes it, keeps its secrets, has the router's files written.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use hayrack_rack::network::output;
use openwrt::{File, Mode, Rendered};
use rack_model::Rack;
use tempfile::TempDir;

use crate::receivers::binaries;
use crate::site::{RENTED, UPLINK, WORLD, wireguard_pair};

/// Of the three nodes, in the order of their slots.
const MACS: [&str; 3] = [
    "dc:a6:32:01:02:01",
    "dc:a6:32:01:02:02",
    "dc:a6:32:01:02:03",
];
/// What the form of `rack init` leaves to be filled in.
const TUNNEL: &str = "# tunnel = { endpoint = \"203.0.113.7:51820\", public_key = \"…\"";
const ACME: &str = "# [acme]\n# email = \"ops@example.org\"\n\
                    # directory = \"https://acme-v02.api.letsencrypt.org/directory\"\n# dns = \"dns_cf\" ";

/// The operator, with the folder of `rack.toml`.
pub struct Operator {
    folder: TempDir,
    /// The rented machine's private key, which never leaves it.
    pub rented_key: String,
    /// How `rack` reaches nodes, as far as it does.
    environment: Vec<(String, OsString)>,
}

impl Operator {
    /// Writes `rack.toml` with `rack init`, and fills in what the form leaves open.
    pub fn begin() -> anyhow::Result<Self> {
        let (rented_key, rented_public) = wireguard_pair()?;
        let operator = Self {
            folder: tempfile::tempdir()?,
            rented_key,
            environment: Vec::new(),
        };
        make_key(&operator.path("id"))?;
        let uplink = format!("{UPLINK}/24,{WORLD},{WORLD}");
        let key = operator.path("id.pub").display().to_string();
        let mut init = vec!["init", "--name", "attic", "--domain", "example.org"];
        init.extend(["--nodes", "3", "--model", "pi5-8gb"]);
        init.extend(MACS.iter().flat_map(|mac| ["--mac", mac]));
        init.extend(["--uplink", &uplink, "--ssh-key", &key]);
        operator.rack(&init)?;
        let tunnel =
            format!("tunnel = {{ endpoint = \"{RENTED}:51820\", public_key = \"{rented_public}\"");
        operator.edit(TUNNEL, &tunnel)?;
        let acme = format!(
            "[acme]\nemail = \"ops@example.org\"\ndirectory = \"https://{WORLD}:14000/dir\"\n\
             dns = \"dns_challtest\" "
        );
        operator.edit(ACME, &acme)?;
        operator.keep_secrets()?;
        Ok(operator)
    }

    fn keep_secrets(&self) -> anyhow::Result<()> {
        let key = self.path("certificate");
        make_key(&key)?;
        for (name, value) in [
            ("wireguard-key", wireguard_pair()?.0),
            ("acme-dns", format!("CHALLENGES=http://{WORLD}:8055\n")),
            ("certificate-key", fs::read_to_string(&key)?),
        ] {
            output(self.command().args(["secrets", "set", name]), &value)?;
        }
        Ok(())
    }

    /// Changes `rack.toml`.
    pub fn edit(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.path("rack.toml");
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{from} is not in rack.toml:\n{text}");
        Ok(fs::write(path, text.replace(from, to))?)
    }

    /// Writes another operator into `rack.toml`, and answers their public key.
    pub fn add_operator(&self, name: &str) -> anyhow::Result<String> {
        make_key(&self.path(name))?;
        let key = fs::read_to_string(self.path(&format!("{name}.pub")))?;
        let (before, key) = ("[[operator]]", key.trim());
        let added = format!("{before}\nname = \"{name}\"\nssh = \"{key}\"\n\n{before}");
        self.edit(before, &added)?;
        Ok(key.to_owned())
    }

    /// What `rack.toml` says.
    pub fn described(&self) -> anyhow::Result<Rack> {
        Ok(Rack::load(&self.path("rack.toml"))?)
    }

    /// The router's files, as `rack router` writes them.
    pub fn router(&self) -> anyhow::Result<Rendered> {
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let output = folder.path().display().to_string();
        self.rack(&["router", "--output", &output])?;
        Ok(Rendered {
            router: files(&folder.path().join("files"))?,
            build: openwrt::build(&self.described()?),
            rented: files(&folder.path().join("rented"))?,
        })
    }

    /// From now on `rack` runs `program` with a node's name, and then what is to be run there.
    pub fn reach_by(&mut self, program: &Path, variables: &[(&str, &OsStr)]) {
        let reach = OsString::from(format!("exec:{} {{name}}", program.display()));
        let variables = variables
            .iter()
            .copied()
            .chain([("RACK_REACH", reach.as_ref())]);
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment = owned.collect();
    }

    /// What `rack` prints.
    pub fn rack(&self, words: &[&str]) -> anyhow::Result<String> {
        output(self.command().args(words), "")
    }

    /// `rack`, in the folder of its file.
    pub fn command(&self) -> Command {
        let rack = binaries().and_then(|binaries| binaries.path("rack"));
        let mut command = Command::new(rack.unwrap_or_else(|_| "rack".into()));
        command.current_dir(self.folder.path());
        command.env_remove("RACK_FILE");
        command.env("RACK_IDENTITY", self.path("id"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A path in the folder of `rack.toml`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn make_key(path: &Path) -> anyhow::Result<()> {
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f"]);
    output(make.arg(path), "").map(drop)
}

/// All files below a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<File>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next);
        for entry in entries.with_context(|| format!("{} is not written", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(read(folder, &path)?);
            }
        }
    }
    Ok(files)
}

fn read(folder: &Path, path: &Path) -> anyhow::Result<File> {
    let modes = [Mode::Public, Mode::Secret, Mode::Program];
    let bits = fs::metadata(path)?.permissions().mode() & 0o777;
    let mode = modes.into_iter().find(|mode| mode.bits() == bits);
    Ok(File {
        path: path.strip_prefix(folder)?.display().to_string(),
        text: fs::read_to_string(path)?,
        mode: mode.with_context(|| format!("{} has the mode {bits:o}", path.display()))?,
    })
}
