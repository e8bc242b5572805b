//! What a node does below the daemons. From an image that is the same for all nodes of a rack it finds out which node it
//! is, takes its disks, joins the cluster; later it takes updates, and leaves those that do not come up.

mod admission;
mod certificate;
mod configure;
mod disks;
mod durable;
mod firmware;
mod health;
mod machine;
mod ports;
mod prepare;
mod program;
mod render;
mod s3d;
mod settings;
mod settings_trial;
mod signing;
mod slot;
mod system_disk;
pub mod update;

#[cfg(test)]
mod one_node;

pub use admission::{Admission, AdmissionError, AdmitError, FOUND, Joined, admit, join};
pub use certificate::CertificateError;
pub use configure::{ConfigureError, configure};
pub use disks::TakeError;
pub use firmware::FirmwareError;
pub use machine::Machine;
pub use prepare::{PrepareError, prepare};
pub use program::ProgramError;
pub use s3d::S3d;
pub use settings::{Mac, Network, Node, Settings, SettingsError, file as settings_file};
pub use settings_trial::{LastSettings, SettingsTrialError, last_settings, try_settings};
pub use signing::{NoKey, PrivateKey, PublicKey, Signature};
pub use slot::Slot;
