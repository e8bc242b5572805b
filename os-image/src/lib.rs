//! Node images: what they carry of the rack, how they are signed, and what is in them.

mod admissions;
mod build;
pub mod flash;
mod sbom;
mod settings;
mod update;

pub use hayrack_node::{LastSettings, Settings};

pub use admissions::{Admissions, AdmissionsError, admissions};
pub use build::{Build, BuildError};
pub use sbom::{SbomError, sbom};
pub use settings::{SettingsError, Wanted, Wipe, image_nodes, settings};
pub use update::{UpdateError, draw_update_key, manifest, update_key};
