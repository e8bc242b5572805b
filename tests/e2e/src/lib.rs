//! What the end-to-end tests share: the real binaries in temporary folders, a raw HTTP client whose
//! requests can be wrong on purpose, and the clients that are installed for the tests.

pub mod api;
pub mod binaries;
pub mod clients;
pub mod daemons;
pub mod disk;
pub mod guest;
pub mod http;
pub mod lossy;
pub mod mounted;
pub mod rack;
pub mod random;
pub mod s3;
pub mod volumed;
