//! The server's settings: flags, then the environment, then the configuration file, then defaults.

mod limits;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use s3d_accounts::{AccountSettings, SignUpPolicy};
use s3d_buckets::Replicas;
use s3d_mail::{Encryption, MailParts, MailSettings};
use s3s::region::Region;
use serde::{Deserialize, Serialize, Serializer};
use volumed_cluster::{FolderError, store_location};
use volumed_daemon::{ConfigError, LogFormat, LogSettings, absolute};
use volumed_meta::Location;

use crate::listener::{NotANetwork, Proxies, Tls, TlsError, TlsFiles, network};
use limits::Limits;

pub use limits::open_extents;

/// The settings as flags, environment and file give them: everything may be left out.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The folder of the server's own state: its secrets and its lock [default: data/s3d]
    #[arg(long, value_name = "DIR", env = "S3D_DATA")]
    pub data: Option<PathBuf>,
    /// The admin socket of this node's volumed [default: data/volumed/admin.sock]
    #[arg(long, value_name = "SOCKET", env = "S3D_VOLUMED")]
    pub volumed: Option<PathBuf>,
    /// The metadata store, the same as volumed's: an SQLite file, or the members of an etcd,
    /// etcd://HOST:PORT,HOST:PORT [default: that of the cluster, or meta.db in
    /// the folder of the setting cluster, or data/volumed/meta.db]
    #[arg(long, value_name = "STORE", env = "S3D_STORE")]
    pub store: Option<Location>,
    /// Certificates (PEM) that must have signed those of etcd's members, which then speak TLS
    #[arg(long, value_name = "FILE", env = "S3D_STORE_TLS_CA")]
    pub store_tls_ca: Option<PathBuf>,
    /// Certificate chain (PEM) that etcd's members are shown
    #[arg(long, value_name = "FILE", env = "S3D_STORE_TLS_CERTIFICATE")]
    pub store_tls_certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "S3D_STORE_TLS_KEY")]
    pub store_tls_key: Option<PathBuf>,
    /// The state folder of this node's volumed: if that is in a cluster, this server forwards requests to
    /// the nodes that serve their buckets
    #[arg(long, value_name = "DIR", env = "S3D_CLUSTER")]
    pub cluster: Option<PathBuf>,
    /// Where other nodes forward requests to [default: the node's first address, port 10813]
    #[arg(long, value_name = "ADDRESS", env = "S3D_FORWARD_LISTEN")]
    pub forward_listen: Option<SocketAddr>,
    /// Where S3 is served [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS", env = "S3D_S3_LISTEN")]
    pub s3_listen: Option<SocketAddr>,
    /// Where the REST API is served [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDRESS", env = "S3D_API_LISTEN")]
    pub api_listen: Option<SocketAddr>,
    /// Where /metrics is served, over plain HTTP [default: with the REST API]
    #[arg(long, value_name = "ADDRESS", env = "S3D_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// What the hosts end in: s3.<DOMAIN>, <bucket>.<namespace>.s3.<DOMAIN> [default: localhost]
    #[arg(long, value_name = "DOMAIN", env = "S3D_DOMAIN")]
    pub domain: Option<String>,
    /// What clients are told as region; they may sign for any [default: us-east-1]
    #[arg(long, value_name = "REGION", env = "S3D_REGION")]
    pub region: Option<String>,
    /// Certificate chain (PEM) for S3 and the REST API; without it both are plain HTTP
    #[arg(long, value_name = "FILE", env = "S3D_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "S3D_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Networks of proxies, such as 10.77.0.1/32, whose connections to S3 begin with a PROXY header (version 1
    /// or 2): it says who the client is. A connection from there without one is refused; one from
    /// elsewhere is a client's own [default: none]
    #[arg(
        long,
        value_name = "NETWORK",
        env = "S3D_PROXY_FROM",
        value_delimiter = ','
    )]
    pub proxy_from: Option<Vec<String>>,
    /// The port at which clients reach a proxy that ends TLS for S3: the endpoints that they are told are https
    /// there [default: TLS does not end at a proxy]
    #[arg(long, value_name = "PORT", env = "S3D_PUBLIC_HTTPS_PORT")]
    pub public_https_port: Option<u16>,
    /// Connections that may be open at once [default: half of the open files that the process may have,
    /// at most 16384]
    #[arg(long, value_name = "N", env = "S3D_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,
    /// Connections of one address that may be open at once [default: half of max_connections]
    #[arg(long, value_name = "N", env = "S3D_MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: Option<usize>,
    /// Seconds that a connection may take to send a request's headers, or be idle [default: 75]
    #[arg(long, value_name = "SECONDS", env = "S3D_IDLE_SECONDS")]
    pub idle_seconds: Option<u64>,
    /// Buckets that are open at most, unless more are in use at one time [default: 64]
    #[arg(long, value_name = "N", env = "S3D_OPEN_BUCKETS")]
    pub open_buckets: Option<usize>,
    /// Replicas that the volumes of new buckets have, 1 to 3, or as many as there are nodes: auto
    /// [default: auto]
    #[arg(long, value_name = "auto|N", env = "S3D_REPLICAS")]
    pub replicas: Option<Replicas>,
    /// The nodes' names in the order of the mount's slots, for the picture of the rack; an empty one stands for a
    /// free slot [default: the picture shows the nodes in the order of their numbers]
    #[arg(long, value_name = "NODE", env = "S3D_SLOTS", value_delimiter = ',')]
    pub slots: Option<Vec<String>>,
    /// Seconds between looks at what open buckets hold, for their history [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "S3D_USAGE_SECONDS")]
    pub usage_seconds: Option<u64>,
    /// Threads that serve requests [default: one for each processor, at most 4]
    #[arg(long, value_name = "N", env = "S3D_WORKERS")]
    pub workers: Option<usize>,
    /// Who may make an account: open to all, or closed but for the invited [default: open]
    #[arg(long, value_name = "open|closed", env = "S3D_SIGN_UP")]
    pub sign_up: Option<SignUpPolicy>,
    /// Users make nothing before they have verified their addresses by the link that is sent there [default: false]
    #[arg(long, value_name = "true|false", env = "S3D_VERIFY_EMAIL")]
    pub verify_email: Option<bool>,
    /// Where people reach the console, which links in mails lead to [default: that of s3-api.<DOMAIN>, at the
    /// port of S3]
    #[arg(long, value_name = "URL", env = "S3D_CONSOLE_URL")]
    pub console_url: Option<String>,
    /// The mail server that sends links to users [default: none; the links are in the log]
    #[arg(long, value_name = "NAME", env = "S3D_MAIL_SERVER")]
    pub mail_server: Option<String>,
    /// Its port [default: 587 with starttls, 465 with tls, 25 with none]
    #[arg(long, value_name = "PORT", env = "S3D_MAIL_PORT")]
    pub mail_port: Option<u16>,
    /// How the connection with it is encrypted [default: starttls]
    #[arg(long, value_name = "starttls|tls|none", env = "S3D_MAIL_TLS")]
    pub mail_tls: Option<Encryption>,
    /// Certificates (PEM) that must have signed its own [default: those that the system trusts]
    #[arg(long, value_name = "FILE", env = "S3D_MAIL_TLS_CA")]
    pub mail_tls_ca: Option<PathBuf>,
    /// The name to log in there with [default: no login]
    #[arg(long, value_name = "NAME", env = "S3D_MAIL_USER")]
    pub mail_user: Option<String>,
    /// The file whose first line is the password of that name
    #[arg(long, value_name = "FILE", env = "S3D_MAIL_PASSWORD_FILE")]
    pub mail_password_file: Option<PathBuf>,
    /// Whom mails come from, such as Hayrack <hayrack@example.org>
    #[arg(long, value_name = "ADDRESS", env = "S3D_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// Form of the log on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "S3D_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Least level that is logged: error, warn, info, debug, trace, or levels by module; a line for
    /// each request comes with info,s3d::requests=debug [default: info]
    #[arg(long, value_name = "LEVEL", env = "S3D_LOG_LEVEL")]
    pub log_level: Option<String>,
}

/// What the server runs with; every path is absolute.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// The state folder.
    pub data: PathBuf,
    /// The admin socket of this node's volumed.
    pub volumed: PathBuf,
    /// The metadata store.
    #[serde(flatten, serialize_with = "Location::serialize_settings")]
    pub store: Location,
    /// The state folder of this node's volumed, which may be in a cluster.
    pub cluster: Option<PathBuf>,
    /// Where other nodes forward requests to, unless that is the node's first address.
    pub forward_listen: Option<SocketAddr>,
    /// Where S3 is served.
    pub s3_listen: SocketAddr,
    /// Where the REST API is served.
    pub api_listen: SocketAddr,
    /// Where metrics are served instead of with the REST API.
    pub metrics_listen: Option<SocketAddr>,
    /// What the hosts end in.
    pub domain: String,
    /// What clients are told as region.
    #[serde(serialize_with = "region_as_text")]
    pub region: Region,
    /// Certificate and key; without them both listeners are plain HTTP.
    #[serde(flatten)]
    pub tls: Option<TlsFiles>,
    /// The proxies whose connections to S3 begin with a PROXY header.
    pub proxy_from: Proxies,
    /// Where clients reach a proxy that ends TLS.
    pub public_https_port: Option<u16>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Connections of one address that may be open at once.
    pub max_connections_per_address: usize,
    /// Seconds that a connection may take to send a request's headers, or be idle.
    pub idle_seconds: u64,
    /// Buckets that are open at most, unless more are in use at one time.
    pub open_buckets: usize,
    /// Replicas of the volumes of new buckets.
    pub replicas: Replicas,
    /// The nodes' names by slot of the mount; empty ones are free.
    pub slots: Vec<String>,
    /// Seconds between looks at what open buckets hold.
    pub usage_seconds: u64,
    /// Threads that serve requests.
    pub workers: usize,
    /// How accounts are run.
    #[serde(flatten)]
    pub accounts: AccountSettings,
    /// Where people reach the console, without a slash at its end.
    pub console_url: Option<String>,
    /// The mail server; without one links are in the log.
    #[serde(flatten)]
    pub mail: Option<MailSettings>,
    /// The form of the log.
    pub log_format: LogFormat,
    /// The least level that is logged.
    pub log_level: String,
}

/// Beside volumed, which wants processors too.
const USUAL_WORKERS: usize = 4;

fn usual_workers() -> usize {
    let processors = std::thread::available_parallelism();
    processors.map_or(1, usize::from).min(USUAL_WORKERS)
}

impl Settings {
    /// Puts flags, file and defaults together.
    pub fn load(flags: &Source, file: Option<&Path>) -> Result<Self, ConfigError> {
        let source: Source = volumed_daemon::load(file, flags)?;
        let path = |path: Option<PathBuf>, default: &str| {
            absolute(&path.unwrap_or_else(|| default.into()))
        };
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let cluster = source.cluster.as_deref().map(absolute).transpose()?;
        let limits = Limits::of(volumed_daemon::descriptor_limit());
        let max_connections = positive(
            source.max_connections,
            limits.connections,
            "max_connections",
        )?;
        Ok(Self {
            data: path(source.data, "data/s3d")?,
            volumed: path(source.volumed, "data/volumed/admin.sock")?,
            store: store_of(
                source.store,
                cluster.as_deref(),
                (
                    source.store_tls_ca,
                    source.store_tls_certificate,
                    source.store_tls_key,
                ),
            )?,
            cluster,
            forward_listen: source.forward_listen,
            s3_listen: source.s3_listen.unwrap_or(local(9000)),
            api_listen: source.api_listen.unwrap_or(local(9001)),
            metrics_listen: source.metrics_listen,
            domain: checked_domain(source.domain.unwrap_or_else(|| "localhost".to_owned()))?,
            region: checked_region(source.region.as_deref().unwrap_or("us-east-1"))?,
            tls: tls_files(source.tls_certificate, source.tls_key)?,
            proxy_from: proxies(&source.proxy_from.unwrap_or_default())?,
            public_https_port: source.public_https_port,
            max_connections,
            max_connections_per_address: positive(
                source.max_connections_per_address,
                max_connections.div_ceil(2),
                "max_connections_per_address",
            )?,
            idle_seconds: positive(source.idle_seconds, 75, "idle_seconds")?,
            open_buckets: positive(source.open_buckets, limits.buckets, "open_buckets")?,
            replicas: source.replicas.unwrap_or_default(),
            slots: source.slots.unwrap_or_default(),
            usage_seconds: positive(source.usage_seconds, 3_600, "usage_seconds")?,
            workers: positive(source.workers, usual_workers(), "workers")?,
            accounts: AccountSettings {
                sign_up: source.sign_up.unwrap_or_default(),
                verify_email: source.verify_email.unwrap_or_default(),
            },
            console_url: source.console_url.map(checked_url).transpose()?,
            mail: mail(MailParts {
                server: source.mail_server,
                port: source.mail_port,
                tls: source.mail_tls,
                tls_ca: source.mail_tls_ca,
                user: source.mail_user,
                password_file: source.mail_password_file,
                from: source.mail_from,
            })?,
            log_format: source.log_format.unwrap_or_default(),
            log_level: source.log_level.unwrap_or_else(|| "info".to_owned()),
        })
    }

    /// How the log is written.
    pub fn log(&self) -> LogSettings {
        LogSettings {
            format: self.log_format,
            level: self.log_level.clone(),
        }
    }

    /// Reads the files that the settings name, as the start does.
    pub fn check_files(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map(Tls::load).transpose()?;
        Ok(())
    }

    /// The scheme of the endpoints that clients are told.
    pub fn scheme(&self) -> &'static str {
        let https = self.tls.is_some() || self.public_https_port.is_some();
        if https { "https" } else { "http" }
    }
}

fn store_of(
    store: Option<Location>,
    cluster: Option<&Path>,
    tls: (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>),
) -> Result<Location, ConfigError> {
    let refused = |error: FolderError| ConfigError::Refused(error.to_string());
    let of_cluster = cluster.map(store_location).transpose().map_err(refused)?;
    let store = match (store, of_cluster.flatten()) {
        (Some(store), _) => store,
        // With the cluster's own certificates.
        (None, Some(store)) => return Ok(store),
        // Where a volumed that is in no cluster has it.
        (None, None) => cluster
            .unwrap_or(Path::new("data/volumed"))
            .join("meta.db")
            .as_path()
            .into(),
    };
    let store = store.with_tls(tls);
    let store = store.map_err(|error| ConfigError::Refused(error.to_string()))?;
    store.try_map_paths(absolute)
}

fn positive<T: PartialEq + Default>(
    value: Option<T>,
    default: T,
    name: &str,
) -> Result<T, ConfigError> {
    match value {
        Some(value) if value == T::default() => Err(ConfigError::Refused(format!(
            "{name} is 0: it must be at least 1"
        ))),
        value => Ok(value.unwrap_or(default)),
    }
}

fn tls_files(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<TlsFiles>, ConfigError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            tls_certificate: absolute(&certificate)?,
            tls_key: absolute(&key)?,
        })),
        _ => Err(ConfigError::Refused(
            "tls_certificate and tls_key belong together: give both or neither".to_owned(),
        )),
    }
}

fn proxies(networks: &[String]) -> Result<Proxies, ConfigError> {
    let networks = networks.iter().map(|text| network(text));
    let refused = |error: NotANetwork| ConfigError::Refused(format!("proxy_from: {error}"));
    networks.collect::<Result<_, _>>().map_err(refused)
}

fn mail(mut parts: MailParts) -> Result<Option<MailSettings>, ConfigError> {
    for path in [&mut parts.tls_ca, &mut parts.password_file] {
        *path = path.as_deref().map(absolute).transpose()?;
    }
    MailSettings::of(parts).map_err(|error| ConfigError::Refused(error.to_string()))
}

fn checked_url(url: String) -> Result<String, ConfigError> {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    if host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '#', '?'])) {
        Ok(url)
    } else {
        Err(ConfigError::Refused(format!(
            "console_url is {url:?}: write it like https://console.example.org, without a path"
        )))
    }
}

fn checked_domain(domain: String) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    if domain.split('.').all(label) && domain.parse::<IpAddr>().is_err() {
        Ok(domain)
    } else {
        Err(ConfigError::Refused(format!(
            "the domain {domain:?} is not one: write it like example.org, without a port"
        )))
    }
}

fn checked_region(region: &str) -> Result<Region, ConfigError> {
    Region::new(region.to_owned().into()).map_err(|_| {
        ConfigError::Refused(format!(
            "the region {region:?} is not one: write it like us-east-1"
        ))
    })
}

fn region_as_text<S: Serializer>(region: &Region, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(region.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, flags: &Source) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s3d.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(flags, Some(&file))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let flags = Source {
            data: Some("/d".into()),
            ..Source::default()
        };
        let text = "data = \"/other\"\ndomain = \"example.org\"\ns3_listen = \"0.0.0.0:80\"\n";
        let settings = with_file(text, &flags).unwrap();
        assert_eq!(settings.data, PathBuf::from("/d"));
        assert_eq!(settings.domain, "example.org");
        assert_eq!(settings.s3_listen, "0.0.0.0:80".parse().unwrap());
        assert_eq!(settings.api_listen, "127.0.0.1:9001".parse().unwrap());
        assert_eq!(
            (settings.region.as_str(), settings.workers),
            ("us-east-1", usual_workers())
        );
        assert_eq!(settings.scheme(), "http");
        let behind = with_file("public_https_port = 443\n", &flags).unwrap();
        assert_eq!(behind.scheme(), "https");
        assert_eq!(settings.accounts.sign_up, SignUpPolicy::Open);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| with_file(text, &Source::default()).unwrap_err().to_string();
        assert!(refused("domian = \"x\"\n").contains("unknown field `domian`"));
        for domain in ["", "a..b", "a:80", "a b", ".a", "192.0.2.1"] {
            let sentence = refused(&format!("domain = {domain:?}\n"));
            assert!(sentence.contains(&format!("{domain:?}")), "{sentence}");
        }
        assert!(refused("workers = 0\n").starts_with("workers is 0"));
        assert!(refused("region = \"a b\"\n").contains("\"a b\""));
        assert!(refused("tls_key = \"/k\"\n").contains("belong together"));
        let sentence = refused("proxy_from = [\"10.77.0.1\", \"router\"]\n");
        assert!(sentence.starts_with("proxy_from: \"router\" is no network"));
        assert!(refused("console_url = \"x/y\"\n").starts_with("console_url is \"x/y\""));
        assert!(refused("\nmail_tls = \"ssl\"\n").contains("line 2"));
        assert!(refused("mail_server = \"x\"\n").starts_with("mail_from is missing"));
    }

    #[test]
    fn what_is_in_force_is_a_file_that_says_the_same() {
        let text = "sign_up = \"closed\"\ntls_key = \"/k\"\ntls_certificate = \"/c\"\nmetrics_listen = \"127.0.0.1:1\"\nmail_server = \"mail.example.org\"\nmail_from = \"a@example.org\"\nconsole_url = \"https://x.example.org\"\nproxy_from = [\"10.77.0.1\", \"fd00::/8\"]\n";
        let in_force = |text: &str| {
            let settings = with_file(text, &Source::default()).unwrap();
            volumed_daemon::in_force(&settings).unwrap()
        };
        let first = in_force(text);
        assert_eq!(first, in_force(&first));
        assert!(first.contains("tls_certificate = \"/c\""), "{first}");
        assert!(first.contains("mail_port = 587"), "{first}");
        assert!(first.contains("10.77.0.1/32"), "{first}");
    }
}
