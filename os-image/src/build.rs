//! Runs the script that builds an image, `build/image` of this folder.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::settings::Wipe;

/// What is built, and from what.
#[derive(Debug, Clone)]
pub struct Build {
    /// The folder `os-image` of a checkout.
    pub scripts: PathBuf,
    /// For which machines, as Debian calls them: amd64 or arm64.
    pub arch: String,
    /// The folder with the programs of these machines, and `node-image`.
    pub programs: PathBuf,
    /// Where image, update and bill of materials go.
    pub out: PathBuf,
    /// The rack's file.
    pub rack: PathBuf,
    /// The one node that it is for; without it, it is for all of them.
    pub node: Option<String>,
    /// The node that makes the rack's cluster: only in the first image of a rack.
    pub found: Option<String>,
    /// A folder with a file for each node that joins, which holds its token.
    pub admissions: Option<PathBuf>,
    /// Disks that may be formatted although they hold something.
    pub wipe: Vec<Wipe>,
    /// The file of the key that signs updates; drawn if absent.
    pub update_key: Option<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The script is missing.
    #[error("cannot run {}: {source}; name the os-image folder of a checkout of Hayrack", .path.display())]
    Start {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It failed.
    #[error("the image was not built ({0}); the reason is above")]
    Failed(String),
}

impl Build {
    /// Builds it, and returns the image's path. What the tools say goes to standard error.
    pub fn run(&self) -> Result<PathBuf, BuildError> {
        let path = self.scripts.join("build/image");
        let output = self
            .command(&path)
            .output()
            .map_err(|source| BuildError::Start { path, source })?;
        if !output.status.success() {
            return Err(BuildError::Failed(output.status.to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().last().unwrap_or_default().into())
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(script);
        command
            .args([Path::new(&self.arch), &self.programs, &self.out])
            .env("RACK", &self.rack)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let disks: Vec<String> = self
            .wipe
            .iter()
            .map(|wipe| format!("{}:{}", wipe.node, wipe.disk))
            .collect();
        command.env("WIPE", disks.join(" "));
        let paths = [
            ("NODE", self.node.as_ref().map(PathBuf::from)),
            ("FOUND", self.found.as_ref().map(PathBuf::from)),
            ("ADMISSIONS", self.admissions.clone()),
            ("UPDATE_KEY", self.update_key.clone()),
        ];
        for (name, value) in paths {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn build(scripts: &Path) -> Build {
        Build {
            scripts: scripts.to_owned(),
            arch: "amd64".to_owned(),
            programs: "/programs".into(),
            out: "/out".into(),
            rack: "/rack.toml".into(),
            node: None,
            found: Some("node-1".to_owned()),
            admissions: None,
            wipe: vec![Wipe {
                node: "node-2".to_owned(),
                disk: "sda".to_owned(),
            }],
            update_key: None,
        }
    }

    fn script(folder: &Path, text: &str) {
        let path = folder.join("build/image");
        fs::create_dir_all(folder.join("build")).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_script_gets_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        script(
            folder.path(),
            "#!/bin/sh\necho begun\necho \"$* $RACK ${NODE-none} $FOUND $WIPE\"\n",
        );
        let image = build(folder.path()).run().unwrap();
        let wanted = "amd64 /programs /out /rack.toml none node-1 node-2:sda";
        assert_eq!(image, PathBuf::from(wanted));
    }

    #[test]
    fn a_script_that_fails_gives_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let missing = build(folder.path()).run().unwrap_err().to_string();
        assert!(missing.contains("checkout"), "{missing}");
        script(folder.path(), "#!/bin/sh\necho /an/image\nexit 3\n");
        let failed = build(folder.path()).run().unwrap_err().to_string();
        assert!(failed.contains('3'), "{failed}");
    }
}
