//! `rack init`: writes a rack.toml, from the answers to five questions or from flags.

mod answers;
mod args;
mod questions;
mod text;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use crate::call::{Call, FILE_NAME};
pub use args::InitArgs;
use questions::{QuestionError, complete};

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It is there already.
    #[error("{} exists; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// The answers are not there.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The answers do not fit each other.
    #[error("the answers make no rack:\n{0}")]
    Refused(#[from] rack_model::Refusal),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// `rack init`
pub fn run(call: &Call, args: &InitArgs) -> Result<(), InitError> {
    let path = call.file.clone().unwrap_or_else(|| FILE_NAME.into());
    if path.exists() && !args.force {
        return Err(InitError::Exists(path));
    }
    let answers = complete(args, io::stdin().is_terminal())?;
    let text = text::of(&answers);
    rack_model::Rack::parse(&path.display().to_string(), &text)?;
    let failed = |source| InitError::Write {
        path: path.clone(),
        source,
    };
    fs::write(&path, text).map_err(failed)?;
    let shown = path.display();
    writeln!(
        io::stdout(),
        "{shown} is written; look it over, then `rack show` and `rack parts`"
    )
    .map_err(failed)
}
