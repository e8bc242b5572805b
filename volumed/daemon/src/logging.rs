//! Logs on standard error: lines for people, or JSON objects for programs.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What is written to the log, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The form of each line.
    pub format: LogFormat,
    /// The least level: error, warn, info, debug or trace; or levels by module, as in
    /// `info,volumed_listener=debug`.
    pub level: String,
}

/// Why the log cannot be written as asked.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level cannot be read.
    #[error(
        "the log level {0:?} is not one: use error, warn, info, debug or trace, or levels by module \
         such as info,volumed_listener=debug"
    )]
    Level(String),
    /// Something else in the process has taken the log.
    #[error("the log was started twice")]
    Twice,
}

/// The log of this process.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    usual: &'static str,
}

impl Logging {
    /// Starts writing. `usual` has levels that hold unless the settings name the same module.
    pub fn start(settings: &LogSettings, usual: &'static str) -> Result<Self, LoggingError> {
        let (filter, handle) = reload::Layer::new(filter(&settings.level, usual)?);
        let lines = fmt::layer().with_writer(io::stderr);
        let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
            LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init()
            .map_err(|_| LoggingError::Twice)?;
        Ok(Self {
            filter: handle,
            usual,
        })
    }

    /// Changes the level, from now on. The form stays.
    pub fn set_level(&self, level: &str) -> Result<(), LoggingError> {
        let filter = filter(level, self.usual)?;
        // The handle is dead only when the log is, and then nobody could read about it.
        let _ = self.filter.reload(filter);
        Ok(())
    }
}

fn filter(level: &str, usual: &str) -> Result<EnvFilter, LoggingError> {
    let directives = if usual.is_empty() {
        level.to_owned()
    } else {
        format!("{usual},{level}")
    };
    EnvFilter::builder()
        .parse(directives)
        .map_err(|_| LoggingError::Level(level.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_nonsense_is_refused() {
        for level in ["info", "debug,volumed_listener=trace", "off"] {
            assert!(filter(level, "s3s=off").is_ok(), "{level}");
        }
        let refusal = filter("loud=very", "").unwrap_err().to_string();
        assert!(refusal.contains("\"loud=very\""), "{refusal}");
    }

    #[test]
    fn the_settings_win_over_what_is_usual() {
        assert_eq!(
            filter("s3s=debug", "s3s=off").unwrap().to_string(),
            "s3s=debug"
        );
    }
}
