//! How nodes get in, and their certificates.

mod limit;
mod node;
mod renewal;
mod signer;
pub(crate) mod wire;

pub use node::{CallError, JoinError, Unreached, fetch_authority, join, renew};
pub use renewal::renew_regularly;
pub use signer::{Signer, SignerError};
