//! How a program says why it failed, and with which exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config::ConfigError;

/// Writes `name: sentence` to standard error. The exit code is 2 if the settings are wrong: starting again without changing
/// them is in vain; else 1.
pub fn fail(name: &str, error: &anyhow::Error) -> ExitCode {
    // Nobody is left to hear it when even that fails.
    let _ = writeln!(io::stderr(), "{name}: {}", sentence(error));
    if error.is::<ConfigError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// An error and its causes, each once: many sentences end with their cause already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let disk = || anyhow!("no space left");
        let told = disk().context("cannot write /x: no space left");
        assert_eq!(sentence(&told), "cannot write /x: no space left");
        let not_told = disk().context("cannot write /x").context("no backup");
        assert_eq!(
            sentence(&not_told),
            "no backup: cannot write /x: no space left"
        );
    }
}
