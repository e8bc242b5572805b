use std::future::Future;

use bytes::Bytes;
use volumed_nbd::Failure;
use volumed_nbd::server::{Command, Refusal};

/// Called once, from any thread, with what was read, the
/// [descriptors](volumed_nbd::server::descriptors) of a BLOCK_STATUS (nothing for other commands), or
/// why not.
pub type Answer = Box<dyn FnOnce(Result<Bytes, Failure>) + Send>;

/// What the NBD socket offers.
pub trait Exports: Send + Sync + 'static {
    /// An open export.
    type Export: Export;

    /// The names that anybody may ask for.
    fn names(&self) -> impl Future<Output = Result<Vec<String>, Refused>>;

    /// The size in bytes of an export, without opening it.
    fn size(&self, name: &str) -> impl Future<Output = Result<u64, Refused>>;

    /// Opens an export for one connection.
    fn open(&self, name: &str) -> impl Future<Output = Result<Self::Export, Refused>>;
}

/// An export that a connection has open; dropping it tells that nothing more of it is under way.
pub trait Export: 'static {
    /// In bytes, as it is now: it may grow.
    fn size(&self) -> u64;

    /// Starts a command that lies within the export. `answer` may be called before this returns.
    fn submit(&self, command: Command, answer: Answer);

    /// Waits until the export belongs to another owner (V2): from then on, nothing may be
    /// submitted.
    fn revoked(&self) -> impl Future<Output = ()>;
}

/// Why there is no such export, in the protocol's terms and in a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Refused {
    /// For the client program.
    pub refusal: Refusal,
    /// For people.
    pub sentence: String,
}
