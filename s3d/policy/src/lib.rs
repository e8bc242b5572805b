//! Bucket policies: their documents, and what they say of a request. Pure.
//!
//! The language is that of "Policies and permissions in Amazon S3" and of "Policy evaluation logic"
//! in the AWS Identity and Access Management User Guide. An account is a namespace here: it is named
//! `arn:aws:iam::<namespace>:root`, by its name alone, or by its canonical id.
//!
//! A document is refused as a whole when anything in it is not understood: a statement that was
//! passed over could be the one that denies.

mod action;
mod condition;
mod document;
mod error;
mod facts;
mod members;
mod one_or_many;
mod pattern;
mod policy;
mod principal;
mod question;
mod resource;
mod statement;

pub use action::is_action;
pub use document::MAX_LENGTH;
pub use error::PolicyError;
pub use facts::{Facts, keys};
pub use policy::{Decision, Policy};
pub use principal::Requester;
pub use question::Question;
