//! Where a store is, as settings say it.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::uri::Authority;
use serde::{Deserialize, Serialize, Serializer};

mod finder;
pub use finder::Finder;

const SCHEME: &str = "etcd://";

/// Where etcd's members listen for clients.
const USUAL_PORT: u16 = 2379;

/// What our keys are below in an etcd, unless the location names another.
const USUAL_NAME: &str = "hayrack";

/// Where a store is.
///
/// Its text is a path, or `etcd://HOST:PORT,HOST:PORT…`, which may end in `/NAME` for one of several
/// stores in one etcd. The text of an etcd does not name its TLS files: they are settings of their own
/// (see [`with_tls`](Self::with_tls)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// An etcd.
    Etcd(EtcdLocation),
}

/// An etcd, and which store in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdLocation {
    /// `HOST:PORT` of members, at least one, in the order in which they are asked.
    pub endpoints: Vec<String>,
    /// Says where the members are later, if they may change.
    pub finder: Option<Finder>,
    /// All of the store's keys begin with `/NAME/`.
    pub name: String,
    /// Without, the members are spoken to in plain text.
    pub tls: Option<Box<TlsFiles>>,
}

/// The files (PEM) with which members are spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsFiles {
    /// Who must have signed the members' certificates.
    #[serde(rename = "store_tls_ca")]
    pub ca: PathBuf,
    /// The client's own certificate chain.
    #[serde(rename = "store_tls_certificate")]
    pub certificate: PathBuf,
    /// Its private key.
    #[serde(rename = "store_tls_key")]
    pub key: PathBuf,
}

/// Why a text names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The text is empty.
    #[error("the metadata store is a file, or etcd://HOST:PORT,HOST:PORT")]
    Empty,
    /// The text begins like an address of something else.
    #[error("{0} is no metadata store: name a file, or etcd://HOST:PORT,HOST:PORT")]
    OtherScheme(String),
    /// A member's address cannot be understood.
    #[error(
        "{0:?} is no address of an etcd: write HOST, HOST:PORT or [IPV6]:PORT, separated by commas"
    )]
    Endpoint(String),
    /// The name behind the addresses cannot be understood.
    #[error("{0:?} names no store in an etcd: use letters, digits, -, _ and .")]
    Name(String),
    /// Some of the TLS files are missing.
    #[error(
        "store_tls_ca, store_tls_certificate and store_tls_key belong together: give all or none"
    )]
    TlsIncomplete,
    /// TLS files for a file.
    #[error("the store_tls settings are for a store in etcd: leave them out, or name an etcd")]
    TlsWithoutEtcd,
}

impl Location {
    /// The location with the TLS files that settings give beside it: CA, certificate and key, all or
    /// none of them.
    pub fn with_tls(
        mut self,
        files: (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>),
    ) -> Result<Self, LocationError> {
        let files = match files {
            (None, None, None) => return Ok(self),
            (Some(ca), Some(certificate), Some(key)) => TlsFiles {
                ca,
                certificate,
                key,
            },
            _ => return Err(LocationError::TlsIncomplete),
        };
        match &mut self {
            Self::File(_) => return Err(LocationError::TlsWithoutEtcd),
            Self::Etcd(etcd) => etcd.tls = Some(files.into()),
        }
        Ok(self)
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Etcd(_) => None,
        }
    }

    /// Applies `change`, say to an absolute one, to every path that the location names.
    pub fn try_map_paths<E>(self, change: impl Fn(&Path) -> Result<PathBuf, E>) -> Result<Self, E> {
        Ok(match self {
            Self::File(path) => Self::File(change(&path)?),
            Self::Etcd(etcd) => {
                let changed = etcd.tls.map(|files| {
                    Ok(Box::new(TlsFiles {
                        ca: change(&files.ca)?,
                        certificate: change(&files.certificate)?,
                        key: change(&files.key)?,
                    }))
                });
                Self::Etcd(EtcdLocation {
                    tls: changed.transpose()?,
                    ..etcd
                })
            }
        })
    }

    /// Writes it as settings have it: `store`, and the `store_tls` files; for a field that is
    /// flattened.
    pub fn serialize_settings<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Settings<'s> {
            store: &'s Location,
            #[serde(flatten)]
            tls: Option<&'s TlsFiles>,
        }
        let tls = match self {
            Self::File(_) => None,
            Self::Etcd(etcd) => etcd.tls.as_deref(),
        };
        Settings { store: self, tls }.serialize(serializer)
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

impl TryFrom<String> for Location {
    type Error = LocationError;

    fn try_from(text: String) -> Result<Self, LocationError> {
        text.parse()
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(rest) = text.strip_prefix(SCHEME) {
            return rest.parse().map(Self::Etcd);
        }
        match text.split_once("://") {
            _ if text.is_empty() => Err(LocationError::Empty),
            Some((scheme, _)) if !scheme.contains('/') => {
                Err(LocationError::OtherScheme(text.to_owned()))
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl EtcdLocation {
    /// Whether what is said to some member can be heard by other machines.
    pub fn leaves_this_machine(&self) -> bool {
        let is_here = |endpoint: &String| {
            let (host, _) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
            let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
            address.map_or(host == "localhost", |address| address.is_loopback())
        };
        !self.endpoints.iter().all(is_here)
    }
}

/// What is behind `etcd://`.
impl FromStr for EtcdLocation {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let (endpoints, name) = text.split_once('/').unwrap_or((text, USUAL_NAME));
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(known) {
            return Err(LocationError::Name(name.to_owned()));
        }
        Ok(Self {
            endpoints: endpoints
                .split(',')
                .map(endpoint)
                .collect::<Result<_, _>>()?,
            finder: None,
            name: name.to_owned(),
            tls: None,
        })
    }
}

/// `HOST:PORT` of what may lack the port.
fn endpoint(text: &str) -> Result<String, LocationError> {
    let refused = || LocationError::Endpoint(text.to_owned());
    let authority: Authority = text.parse().map_err(|_| refused())?;
    let port = match authority.port() {
        Some(port) => port.as_str().parse().map_err(|_| refused())?,
        // `HOST:` has none either.
        None if authority.as_str() == authority.host() => USUAL_PORT,
        None => return Err(refused()),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() || port == 0 {
        return Err(refused());
    }
    Ok(format!("{}:{port}", authority.host()))
}

impl Display for Location {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Etcd(etcd) => etcd.fmt(formatter),
        }
    }
}

impl Display for EtcdLocation {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}", self.endpoints.join(","))?;
        if self.name != USUAL_NAME {
            write!(formatter, "/{}", self.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
