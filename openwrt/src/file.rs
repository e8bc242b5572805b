//! Files of a machine.

use crate::uci;

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everybody reads it: 0644.
    Public,
    /// Its owner alone reads it: 0600.
    Secret,
    /// Everybody reads and runs it: 0755.
    Program,
}

/// A file, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is, below `/`, without a leading slash.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Who may do what with it.
    pub mode: Mode,
}

impl Mode {
    /// The bits, as `chmod` takes them.
    pub fn bits(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Secret => 0o600,
            Self::Program => 0o755,
        }
    }
}

impl File {
    pub(crate) fn new(path: impl Into<String>, mode: Mode, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            mode,
        }
    }

    /// One of `/etc/config`. OpenWrt keeps keys and tokens there, too: nobody but root reads it.
    pub(crate) fn uci(name: &str, config: &uci::Config) -> Self {
        Self::new(
            format!("etc/config/{name}"),
            Mode::Secret,
            config.to_string(),
        )
    }
}
