//! Tells whoever counts requests about each that was answered.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};

/// A request that was answered. Its body may still be on its way.
#[derive(Debug)]
pub struct Served<'r> {
    /// The address that it came from, if the server knows.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: &'r Method,
    /// S3's name of the operation, such as `GetObject`; `None` if it was refused before it was
    /// known.
    pub operation: Option<&'r str>,
    /// The status of the answer.
    pub status: StatusCode,
    /// From the request's headers to the answer's.
    pub duration: Duration,
    /// Bytes of the request's body, as announced.
    pub received: u64,
    /// Bytes of the answer's body, if known.
    pub sent: u64,
}

/// Counts requests.
pub trait Observer: Send + Sync {
    /// A request was answered. Must not block.
    fn served(&self, served: &Served<'_>);
}

/// Does not count.
pub struct Unobserved;

impl Observer for Unobserved {
    fn served(&self, _: &Served<'_>) {}
}

/// The name of a request's operation, once it is known: s3s finds it out, while the front waits.
#[derive(Debug, Clone, Default)]
pub struct OperationName(Arc<OnceLock<String>>);

impl OperationName {
    /// The operation is this one.
    pub fn set(&self, name: &str) {
        // A request is one operation: the first name stays.
        let _ = self.0.set(name.to_owned());
    }

    /// The name, if it is known.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
