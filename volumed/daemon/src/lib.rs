//! What both daemons need, `volumed` and `s3d`: one per state folder, settings from flags, environment
//! and one TOML file, logs, signals, the service manager, and the limits of the process.

mod config;
mod descriptors;
mod failure;
mod finding;
mod logging;
mod manual;
mod memory;
mod metrics;
mod pem;
mod service_manager;
mod signals;
mod state_folder;

pub use config::{ConfigError, ConfigFile, absolute, in_force, load};
pub use descriptors::{descriptor_limit, open_descriptors, raise_descriptor_limit};
pub use failure::fail;
pub use finding::{Finding, Severity, exit_code, report, volumed_findings};
pub use logging::{LogFormat, LogSettings, Logging, LoggingError};
pub use manual::{ManualError, completions, manual_page};
pub use memory::{
    MemoryLockError, exempt_from_reclaim, lock_memory, resident_bytes, return_memory_regularly,
    share_arenas,
};
pub use metrics::{METRICS_CONTENT_TYPE, Measured, metrics_page, register_process};
pub use pem::{PemError, read_certificates, read_private_key, read_private_keys};
pub use service_manager::ServiceManager;
pub use signals::{Signal, Signals};
pub use state_folder::{StateFolder, StateFolderError, check_writable};
