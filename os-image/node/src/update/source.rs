//! Where an update comes from: files, or a web server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A manifest's place; its root lies beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file here.
    File(PathBuf),
    /// An http or https address.
    Url(String),
}

impl Source {
    /// What somebody typed.
    pub fn of(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Self::Url(text.to_owned());
        }
        Self::File(text.into())
    }

    /// What lies beside it by this name.
    pub fn beside(&self, name: &str) -> Self {
        match self {
            Self::File(path) => Self::File(path.parent().unwrap_or(Path::new("")).join(name)),
            Self::Url(url) => {
                let folder = url
                    .rsplit_once('/')
                    .map_or(url.as_str(), |(folder, _)| folder);
                Self::Url(format!("{folder}/{name}"))
            }
        }
    }

    /// Its bytes. An end that comes too early is an error of the last read.
    pub fn open(&self) -> io::Result<Box<dyn Read>> {
        match self {
            Self::File(path) => Ok(Box::new(File::open(path)?)),
            Self::Url(url) => Ok(Box::new(Download::start(url)?)),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Url(url) => out.write_str(url),
        }
    }
}

/// curl, which knows proxies, certificates and redirects.
struct Download {
    curl: Child,
}

impl Download {
    fn start(url: &str) -> io::Result<Self> {
        let curl = Command::new("curl")
            .args(["--fail", "--silent", "--show-error", "--location"])
            .args(["--proto", "=http,https", "--proto-redir", "=http,https"])
            .args([
                "--connect-timeout",
                "20",
                "--speed-limit",
                "1024",
                "--speed-time",
                "60",
                "--",
            ])
            .arg(url)
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { curl })
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let output = self.curl.stdout.as_mut();
        let count = output.map_or(Ok(0), |output| output.read(buffer))?;
        if count == 0 && !buffer.is_empty() && !self.curl.wait()?.success() {
            return Err(io::Error::other(
                "the download broke off; its reason is above",
            ));
        }
        Ok(count)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // It may be waiting for somebody who reads.
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_lies_beside_the_manifest() {
        let beside = |text: &str| Source::of(text).beside("root").to_string();
        assert_eq!(
            beside("https://example.org/a/update.toml"),
            "https://example.org/a/root"
        );
        assert_eq!(beside("/tmp/update.toml"), "/tmp/root");
        assert_eq!(beside("update.toml"), "root");
    }

    #[test]
    fn a_download_that_fails_is_no_short_file() {
        // Nobody listens on the port of discarded bytes.
        let mut download = Source::of("http://127.0.0.1:9/root").open().unwrap();
        let mut bytes = Vec::new();
        assert!(download.read_to_end(&mut bytes).is_err());
    }
}
