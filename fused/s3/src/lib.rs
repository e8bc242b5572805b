//! A thin S3 client for the mount: one bucket, the operations that a file system needs, signed and
//! sent over kept connections, tried again while the server is away.
//!
//! It is not the SDK, because a file system sends many small requests: here one costs a signature
//! and a write on a connection that is open.

mod changes;
mod client;
mod connections;
mod credentials;
mod error;
mod etag;
mod lines;
mod list;
mod metadata;
mod objects;
mod prefixes;
mod profile_files;
mod request;
mod rest;
mod retry;
mod space;
mod tls;
mod traffic;
mod uploads;

pub use changes::{Change, Changes, News};
pub use client::{Client, ClientError, Settings};
pub use credentials::{CredentialError, Credentials, Profile};
pub use error::{ErrorKind, S3Error};
pub use etag::{etag_of, etag_of_parts, etag_of_patch};
pub use lines::page as page_of_lines;
pub use list::{Entry, Marker, Page, whole_seconds};
pub use metadata::Headers;
pub use objects::{Condition, Object, Stored};
pub use profile_files::{NewProfile, ProfileFiles};
pub use rest::{Rest, RestError};
pub use retry::Patience;
pub use space::Space;
pub use traffic::Traffic;
pub use uploads::Part;
