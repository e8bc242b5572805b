//! Keys from where S3 tools keep them: the environment, then the profile files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::profile_files::{ProfileFiles, section_of_config};

/// A pair of keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// The token of temporary keys.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Credentials")
            .field(&self.access_key)
            .finish()
    }
}

/// What the profile files and the environment say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The keys, when there are both halves.
    pub credentials: Option<Credentials>,
    /// The endpoint of S3.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
}

/// Why keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file is there and cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be replaced.
    #[error("{path} cannot be written: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody says where the files are.
    #[error("there is no place for keys: HOME is not set")]
    NoPlace,
    /// The profile that was named is in neither file.
    #[error("there is no profile [{0}] in ~/.aws/credentials or ~/.aws/config")]
    NoProfile(String),
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Profile {
    /// Reads the environment, and what it does not say from the profile `name` (or `AWS_PROFILE`, or
    /// `default`) of the files below `home`. A profile that was asked for by name has to be there, and
    /// its keys go before those of the environment, as in other S3 tools.
    pub fn load(
        name: Option<&str>,
        home: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CredentialError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let named = name.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
        let profile = named.as_deref().unwrap_or("default");
        let files = ProfileFiles::find(home, variable);
        let keys = read(files.credentials)?;
        let config = read(files.config)?;
        let in_files = [keys.get(profile), config.get(&section_of_config(profile))];
        if named.is_some() && in_files.iter().all(Option::is_none) {
            return Err(CredentialError::NoProfile(profile.to_owned()));
        }
        let from_files = |name: &str| {
            let found = in_files.iter().flatten().find_map(|it| it.get(name));
            found.cloned()
        };
        let stored = credentials(
            &from_files,
            [
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
            ],
        );
        let given = credentials(
            &variable,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
            ],
        );
        Ok(Self {
            credentials: if name.is_some() {
                stored.or(given)
            } else {
                given.or(stored)
            },
            endpoint: variable("AWS_ENDPOINT_URL_S3")
                .or_else(|| variable("AWS_ENDPOINT_URL"))
                .or_else(|| from_files("endpoint_url")),
            region: variable("AWS_REGION")
                .or_else(|| variable("AWS_DEFAULT_REGION"))
                .or_else(|| from_files("region")),
        })
    }
}

fn credentials(
    of: &impl Fn(&str) -> Option<String>,
    [access_key, secret_key, token]: [&str; 3],
) -> Option<Credentials> {
    Some(Credentials {
        access_key: of(access_key)?,
        secret_key: of(secret_key)?,
        session_token: of(token),
    })
}

fn read(path: Option<PathBuf>) -> Result<Sections, CredentialError> {
    let Some(path) = path else {
        return Ok(Sections::new());
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(sections(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Sections::new()),
        Err(source) => Err(CredentialError::Read { path, source }),
    }
}

/// The sections of an INI file: `name = value` lines below `[section]` lines. Indented lines belong to
/// settings that have settings of their own, none of which is needed here.
fn sections(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut section = None;
    for line in text.lines() {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            section = Some(sections.entry(name).or_default());
        } else if let (Some(section), Some((name, value)), false) =
            (&mut section, line.split_once('='), indented)
        {
            section.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(credentials: &str, config: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        home
    }

    fn keys(profile: &Profile) -> Option<(&str, &str)> {
        let keys = profile.credentials.as_ref()?;
        Some((keys.access_key.as_str(), keys.secret_key.as_str()))
    }

    const KEYS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=B = C\n\
                        ; a remark\n[work]\naws_access_key_id=W\naws_secret_access_key=X\n";
    const CONFIG: &str = "[default]\nregion = here\ns3 =\n  max_concurrent_requests = 20\n\
                          [profile  work]\nendpoint_url = http://work:1\n";

    #[test]
    fn profile_files_are_read() {
        let home = home(KEYS, CONFIG);
        let none = |_: &str| None;
        let default = Profile::load(None, Some(home.path()), none).unwrap();
        assert_eq!(keys(&default), Some(("A", "B = C")));
        assert_eq!(default.region.as_deref(), Some("here"));
        let work = Profile::load(Some("work"), Some(home.path()), none).unwrap();
        assert_eq!(keys(&work), Some(("W", "X")));
        assert_eq!(work.endpoint.as_deref(), Some("http://work:1"));
        let missing = Profile::load(Some("other"), Some(home.path()), none);
        assert!(matches!(missing, Err(CredentialError::NoProfile(name)) if name == "other"));
    }

    #[test]
    fn the_environment_goes_first_unless_a_profile_is_named() {
        let home = home(KEYS, CONFIG);
        let variable = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("E".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("F".to_owned()),
            _ => None,
        };
        let profile = Profile::load(None, Some(home.path()), variable).unwrap();
        assert_eq!(keys(&profile), Some(("E", "F")));
        let profile = Profile::load(Some("work"), Some(home.path()), variable).unwrap();
        assert_eq!(keys(&profile), Some(("W", "X")));
        let profile = Profile::load(None, None, variable).unwrap();
        assert_eq!(keys(&profile), Some(("E", "F")));
    }
}
