//! The programs that mount a bucket, and how each is started: with its own defaults, but for what
//! a loopback server without TLS needs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::sign::Target;

/// A program that mounts a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Hayrack's own mount.
    Fused,
    /// s3fs-fuse.
    S3fs,
    /// rclone, with the cache of writes that random writes need.
    Rclone,
    /// GeeseFS.
    Geesefs,
    /// JuiceFS, with its metadata in SQLite.
    Juicefs,
    /// Mountpoint for Amazon S3.
    MountS3,
}

/// Where a program mounts what.
pub struct Place {
    /// The bucket.
    pub target: Target,
    /// The program.
    pub program: PathBuf,
    /// The folder to mount at.
    pub at: PathBuf,
    /// A folder for what the program keeps on this machine.
    pub state: PathBuf,
}

impl Peer {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "Hayrack",
            Self::S3fs => "s3fs",
            Self::Rclone => "rclone",
            Self::Geesefs => "geesefs",
            Self::Juicefs => "JuiceFS",
            Self::MountS3 => "mount-s3",
        }
    }

    /// The name of its bucket.
    pub fn bucket(self) -> String {
        format!("mount-{}", self.name().to_lowercase())
    }

    /// The program, if it is in one of the folders of PATH.
    pub fn find(self) -> Option<PathBuf> {
        let program = match self {
            Self::Fused => "fused",
            Self::S3fs => "s3fs",
            Self::Rclone => "rclone",
            Self::Geesefs => "geesefs",
            Self::Juicefs => "juicefs",
            Self::MountS3 => "mount-s3",
        };
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let mut files = std::env::split_paths(&folders).map(|folder| folder.join(program));
        files.find(|file| file.is_file())
    }

    /// Whether a file is an object under the file's path, so that S3 clients can read it.
    pub fn has_plain_keys(self) -> bool {
        self != Self::Juicefs
    }

    /// What must be done once before the first mount.
    pub fn preparation(self, place: &Place) -> Option<Command> {
        (self == Self::Juicefs).then(|| {
            let bucket = format!("{}/{}", place.target.endpoint(), place.target.bucket());
            let mut command = place.command();
            command.args(["format", "--storage", "s3", "--bucket", &bucket]);
            command.args([&place.metadata(), "bench"]);
            command
        })
    }

    /// Mounts, and stays in the foreground.
    pub fn mount(self, place: &Place) -> Command {
        let mut command = place.command();
        let endpoint = place.target.endpoint();
        let (bucket, region) = (place.target.bucket(), place.target.region());
        match self {
            Self::Fused => command
                .args(["mount", "--foreground", &format!("s3://{bucket}")])
                .arg(&place.at)
                .arg("--staging")
                .arg(place.state.join("staging")),
            Self::S3fs => command.args(["-f", bucket]).arg(&place.at).args([
                "-o",
                &format!("url={endpoint},endpoint={region},use_path_request_style"),
                "-o",
                &format!("tmpdir={}", place.state.display()),
            ]),
            Self::Rclone => command
                .args(["mount", &format!(":s3:{bucket}")])
                .arg(&place.at)
                .args(["--vfs-cache-mode", "writes", "--cache-dir"])
                .arg(place.cache()),
            Self::Geesefs => command
                .args(["-f", "--endpoint", &endpoint, "--region", region, bucket])
                .arg(&place.at),
            Self::Juicefs => command
                .args(["mount", "--no-usage-report", "--cache-dir"])
                .arg(place.cache())
                .arg(place.metadata())
                .arg(&place.at),
            Self::MountS3 => command
                .args(["--foreground", "--allow-delete", "--allow-overwrite"])
                .args(["--force-path-style", "--endpoint-url", &endpoint])
                .args(["--region", region, bucket])
                .arg(&place.at),
        };
        command
    }

    /// Its version, as far as it tells.
    pub fn version(program: &Path) -> String {
        let output = Command::new(program).arg("--version").output();
        let printed = output.map(|it| [it.stdout, it.stderr].concat());
        let text = String::from_utf8_lossy(&printed.unwrap_or_default()).into_owned();
        let mut words = text
            .split_whitespace()
            .map(|it| it.trim_start_matches(['v', 'V']));
        let version = words.find(|it| it.contains('.') && it.starts_with(|c: char| c.is_numeric()));
        let version = version.unwrap_or_default();
        version
            .split('+')
            .next()
            .unwrap_or_default()
            .trim_end_matches(',')
            .to_owned()
    }
}

impl Place {
    /// What is a copy of what the bucket has: removed for cold reads.
    pub fn cache(&self) -> PathBuf {
        self.state.join("cache")
    }

    fn metadata(&self) -> String {
        format!("sqlite3://{}", self.state.join("metadata.db").display())
    }

    /// The program with endpoint and keys under the names that all of these programs look for.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let (id, secret) = self.target.keys();
        command
            .env("HOME", &self.state)
            .env("NO_PROXY", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", self.target.endpoint())
            .env("AWS_REGION", self.target.region());
        for name in ["AWS_ACCESS_KEY_ID", "AWSACCESSKEYID", "ACCESS_KEY"] {
            command.env(name, id);
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "AWSSECRETACCESSKEY", "SECRET_KEY"] {
            command.env(name, secret);
        }
        let rclone = [
            ("RCLONE_CONFIG", OsString::from(self.state.join("rclone"))),
            ("RCLONE_S3_PROVIDER", "Other".into()),
            ("RCLONE_S3_ENV_AUTH", "true".into()),
            ("RCLONE_S3_ENDPOINT", self.target.endpoint().into()),
            ("RCLONE_S3_REGION", self.target.region().into()),
        ];
        command.envs(rclone);
        command
    }
}
