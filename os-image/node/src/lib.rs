//! What a node does below the daemons. From an image that is the same for all nodes of a rack it finds out which node it
//! is, takes its disks, joins the cluster; later it takes updates, and leaves those that do not come up.

mod admission;
mod disks;
mod durable;
mod firmware;
mod machine;
mod ports;
mod prepare;
mod program;
mod render;
mod settings;
mod slot;
pub mod update;

pub use admission::{Admission, AdmissionError, FOUND, Joined, join};
pub use disks::TakeError;
pub use firmware::FirmwareError;
pub use machine::Machine;
pub use prepare::{PrepareError, prepare};
pub use program::ProgramError;
pub use settings::{Mac, Network, Node, Settings, SettingsError};
pub use slot::Slot;

/// s3d's certificate, put there by an operator or by ACME.
pub const TLS_CERTIFICATE: &str = "/etc/hayrack/tls/fullchain.pem";
/// Its private key.
pub const TLS_KEY: &str = "/etc/hayrack/tls/key.pem";
