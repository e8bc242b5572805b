//! Changing the profile files of S3 tools: what is not about the profile stays byte for byte.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::credentials::{CredentialError, Credentials};

/// Where the profile files are; `None`: nobody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFiles {
    /// The file of keys.
    pub credentials: Option<PathBuf>,
    /// The file of everything else.
    pub config: Option<PathBuf>,
}

/// A profile to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProfile<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its keys.
    pub credentials: &'a Credentials,
    /// The endpoint of S3.
    pub endpoint: &'a str,
    /// The region.
    pub region: &'a str,
}

impl ProfileFiles {
    /// Those that the environment names, or else those below `home`.
    pub fn find(home: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let file = |name: &str, at: &str| {
            let given = variable(name).filter(|value| !value.is_empty());
            let usual = || home.map(|home| home.join(".aws").join(at));
            given.map(PathBuf::from).or_else(usual)
        };
        Self {
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: file("AWS_CONFIG_FILE", "config"),
        }
    }

    /// Stores a profile, in place of one that has its name. When this fails in between, the endpoint is
    /// stored and the keys are not.
    pub fn store(&self, profile: &NewProfile<'_>) -> Result<(), CredentialError> {
        let place = |file: &Option<PathBuf>| file.clone().ok_or(CredentialError::NoPlace);
        let (keys, config) = (place(&self.credentials)?, place(&self.config)?);
        let settings = [
            ("endpoint_url", Some(profile.endpoint)),
            ("region", Some(profile.region)),
        ];
        change(&config, &section_of_config(profile.name), &settings)?;
        let settings = [
            ("aws_access_key_id", Some(&*profile.credentials.access_key)),
            (
                "aws_secret_access_key",
                Some(&*profile.credentials.secret_key),
            ),
            (
                "aws_session_token",
                profile.credentials.session_token.as_deref(),
            ),
        ];
        change(&keys, profile.name, &settings)
    }
}

/// How the file that is not of keys names a profile.
pub(crate) fn section_of_config(profile: &str) -> String {
    match profile {
        "default" => "default".to_owned(),
        other => format!("profile {other}"),
    }
}

fn change(
    path: &Path,
    section: &str,
    settings: &[(&str, Option<&str>)],
) -> Result<(), CredentialError> {
    let path = path.to_owned();
    let before = match text(&path) {
        Ok(text) => text,
        Err(source) => return Err(CredentialError::Read { path, source }),
    };
    replace(&path, &with_settings(&before, section, settings))
        .map_err(|source| CredentialError::Write { path, source })
}

/// The text of a profile file in which the settings of a section have these values; `None`: the section
/// does not have the setting. The section is made if it is not there.
fn with_settings(text: &str, section: &str, values: &[(&str, Option<&str>)]) -> String {
    let mut lines = Vec::new();
    // Where the section begins, behind its first header.
    let mut begins = None;
    let mut inside = false;
    let mut written = vec![false; values.len()];
    for line in text.split_inclusive('\n') {
        if let Some(name) = header(line) {
            inside = name == section;
            lines.push(line.to_owned());
            if inside && begins.is_none() {
                begins = Some(lines.len());
            }
            continue;
        }
        let about = setting(line).filter(|_| inside).and_then(|name| {
            let known = values.iter().position(|(it, _)| *it == name);
            known.map(|at| (at, values[at]))
        });
        match about {
            None => lines.push(line.to_owned()),
            Some((at, (name, Some(value)))) => {
                written[at] = true;
                let behind = &line[line.trim_end_matches(['\r', '\n']).len()..];
                lines.push(format!("{name} = {value}{behind}"));
            }
            Some((_, (_, None))) => {}
        }
    }
    let missing = values
        .iter()
        .zip(written)
        .filter_map(|((name, value), written)| {
            let value = value.filter(|_| !written)?;
            Some(format!("{name} = {value}\n"))
        });
    let missing: String = missing.collect();
    let at = begins.unwrap_or(lines.len());
    if let Some(before) = at.checked_sub(1).and_then(|at| lines.get_mut(at))
        && !before.ends_with('\n')
    {
        before.push('\n');
    }
    let new = match begins {
        Some(_) => missing,
        None if lines.is_empty() => format!("[{section}]\n{missing}"),
        None => format!("\n[{section}]\n{missing}"),
    };
    lines.insert(at, new);
    lines.concat()
}

/// The section that a line begins, its name's white space made plain.
fn header(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix('[')?.strip_suffix(']')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The name of the setting on a line, if it has one of its own.
fn setting(line: &str) -> Option<String> {
    if line.starts_with([' ', '\t', '#', ';']) {
        return None;
    }
    let (name, _) = line.split_once('=')?;
    Some(name.trim().to_lowercase())
}

/// The text of a file, which is empty if there is none.
fn text(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

/// Replaces a file at once, also when the machine stops meanwhile: whoever reads it finds the old text or
/// the new one. Its owner alone may read it. A link stays one, and what it leads to is replaced.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        other => other?,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = folder.join(name);
    let written = write(&new, text).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEYS: [(&str, Option<&str>); 3] = [
        ("aws_access_key_id", Some("NEW")),
        ("aws_secret_access_key", Some("SECRET")),
        ("aws_session_token", None),
    ];
    const NEW: &str = "[rack]\naws_access_key_id = NEW\naws_secret_access_key = SECRET\n";

    #[test]
    fn a_section_is_made_behind_all_others() {
        assert_eq!(with_settings("", "rack", &KEYS), NEW);
        let others = "# mine\n[default]\r\naws_access_key_id=A\n s3 =\n  x = 1";
        let changed = with_settings(others, "rack", &KEYS);
        assert_eq!(changed, format!("{others}\n\n{NEW}"));
        assert_eq!(with_settings(&changed, "rack", &KEYS), changed);
    }

    #[test]
    fn only_the_settings_of_the_section_are_replaced() {
        let before = "[a]\naws_access_key_id = A\n\n[ rack ]\n# a remark\nAWS_Access_Key_Id=OLD\r\n\
                      region = here\nnested =\n  aws_access_key_id = N\naws_session_token = T\n\
                      [b]\naws_session_token = B";
        let after = "[a]\naws_access_key_id = A\n\n[ rack ]\naws_secret_access_key = SECRET\n\
                     # a remark\naws_access_key_id = NEW\r\nregion = here\nnested =\n  \
                     aws_access_key_id = N\n[b]\naws_session_token = B";
        assert_eq!(with_settings(before, "rack", &KEYS), after);
        assert_eq!(with_settings("[rack]", "rack", &KEYS), NEW);
    }

    #[test]
    fn a_file_is_replaced_through_a_link_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/credentials");
        replace(&file, "first").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "second").unwrap();
        assert!(link.is_symlink());
        assert_eq!(text(&file).unwrap(), "second");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
        assert_eq!(text(&folder.path().join("none")).unwrap(), "");
    }
}
