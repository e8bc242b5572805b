//! From `rack.toml` to a rack whose values fit each other.

use std::path::Path;

use crate::checks;
use crate::fault::{LoadError, Refusal};
use crate::file::RackFile;
use crate::rack::Rack;

impl Rack {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Reads and checks the text of a file; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Refusal> {
        let refused = |faults| Refusal::new(name, text, faults);
        let file = RackFile::parse(text).map_err(|fault| refused(vec![fault]))?;
        let (rack, order) = file.into_rack();
        let faults = checks::faults(&rack, &order, text);
        if faults.is_empty() {
            Ok(rack)
        } else {
            Err(refused(faults))
        }
    }
}
