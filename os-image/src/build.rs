//! Runs the script that builds an image, `build/image` of this folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hayrack_node::Settings;
use rack_model::models::Arch;
use tempfile::TempDir;

use crate::admissions::Admissions;

/// The parts that come from the rack, as the script gets them.
const SETTINGS: &str = "settings.toml";
const ADMISSIONS: &str = "admissions";

/// What is built, and from what.
#[derive(Debug, Clone)]
pub struct Build {
    /// The folder `os-image` of a checkout.
    pub scripts: PathBuf,
    /// For which machines.
    pub arch: Arch,
    /// The folder with the programs of these machines, and `node-image`.
    pub programs: PathBuf,
    /// Where image, update and bill of materials go.
    pub out: PathBuf,
    /// What the image carries of its rack.
    pub settings: Settings,
    /// How its nodes come in.
    pub admissions: Admissions,
    /// The file of the key that signs updates.
    pub update_key: PathBuf,
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
    /// The rack's settings cannot be written as TOML.
    #[error("the image's settings cannot be written: {0}")]
    Settings(#[from] toml::ser::Error),
    /// The parts that come from the rack cannot be kept.
    #[error("cannot write a temporary folder: {0}")]
    Write(io::Error),
    /// It failed.
    #[error("the image was not built ({0}); the reason is above")]
    Failed(String),
}

impl Build {
    /// Builds it, and returns the image's path. What the tools say goes to standard error.
    pub fn run(&self) -> Result<PathBuf, BuildError> {
        let path = self.scripts.join("build/image");
        let parts = self.write_parts()?;
        let output = self
            .command(&path, parts.path())
            .output()
            .map_err(|source| BuildError::Start { path, source })?;
        if !output.status.success() {
            return Err(BuildError::Failed(output.status.to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().last().unwrap_or_default().into())
    }

    fn command(&self, script: &Path, parts: &Path) -> Command {
        let mut command = Command::new(script);
        command
            .arg(self.arch.as_str())
            .args([&self.programs, &self.out])
            .env("SETTINGS", parts.join(SETTINGS))
            .env("ADMISSIONS", parts.join(ADMISSIONS))
            .env("UPDATE_KEY", &self.update_key)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        command
    }

    /// Writes the parts that come from the rack into a folder, which others cannot read: tokens are among them.
    fn write_parts(&self) -> Result<TempDir, BuildError> {
        let settings = toml::to_string(&self.settings)?;
        let write = || {
            let folder = tempfile::tempdir()?;
            fs::write(folder.path().join(SETTINGS), settings)?;
            let admissions = folder.path().join(ADMISSIONS);
            fs::create_dir(&admissions)?;
            for (node, admission) in &self.admissions {
                fs::write(admissions.join(node), admission)?;
            }
            Ok(folder)
        };
        write().map_err(BuildError::Write)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rack_model::Rack;

    use super::*;
    use crate::settings::{Wanted, settings};

    fn build(scripts: &Path) -> Build {
        let rack = include_str!("../../rack/rack.toml");
        let wanted = Wanted {
            arch: Arch::Arm64,
            node: None,
            wipe: Vec::new(),
            update_key: None,
            certificate_line: None,
        };
        Build {
            scripts: scripts.to_owned(),
            arch: Arch::Arm64,
            programs: "/programs".into(),
            out: "/out".into(),
            settings: settings(&Rack::parse("rack.toml", rack).unwrap(), &wanted).unwrap(),
            admissions: [("node-1".to_owned(), "found".to_owned())].into(),
            update_key: "/update.key".into(),
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
            "#!/bin/sh\necho begun\necho \"$* $UPDATE_KEY $(cat $ADMISSIONS/node-1) $(head -n 1 $SETTINGS)\"\n",
        );
        let image = build(folder.path()).run().unwrap();
        let wanted = "arm64 /programs /out /update.key found rack = \"attic\"";
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
