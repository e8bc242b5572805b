//! Node images: what they carry of the rack, how they are signed, and what is in them.

mod build;
pub mod flash;
mod sbom;
mod settings;
mod update;

pub use build::{Build, BuildError};
pub use sbom::{SbomError, sbom};
pub use settings::{SettingsError, Wanted, Wipe, settings};
pub use update::{UpdateError, manifest, update_key};
