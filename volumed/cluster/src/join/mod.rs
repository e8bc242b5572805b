//! How nodes get in, and their certificates.

mod invite;
mod limit;
mod node;
mod renewal;
mod signer;
pub(crate) mod wire;

pub use invite::{InviteError, LONGEST_TOKEN_LIFE, TOKEN_LIFE, invite};
pub use node::{CallError, JoinError, Unreached, fetch_authority, join, renew};
pub use renewal::{renew_regularly, stay_valid};
pub use signer::{Signer, SignerError};
