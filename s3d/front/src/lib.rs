//! The S3 front: from HTTP to buckets and back.
//!
//! s3s knows S3's operations and documents. The rest is done here: signatures, conditions,
//! checksums, ACLs, limits, aws-chunked bodies, and saying no to what is not built.

mod access;
mod acl;
mod amz_headers;
mod answer;
mod appending;
mod attributes;
mod authentication;
mod bucket_acl;
mod bucket_cors;
mod bucket_policy;
mod bucket_tagging;
mod buckets;
mod changes;
mod checksum;
mod chunked;
mod completion;
mod conditions;
mod context;
mod copy;
mod cors;
mod details;
mod document;
mod drain;
mod elsewhere;
mod error;
mod etag;
mod form;
mod front;
mod hashing;
mod host;
mod http_date;
mod ingest;
mod lenient;
mod listing;
mod multipart;
mod new_object;
mod object_acl;
mod object_attributes;
mod object_tagging;
mod observer;
mod operations;
mod ownership;
mod patching;
mod payload;
mod query;
mod range;
mod range_header;
mod reading;
mod refusal;
mod rename;
mod request_body;
mod resource;
mod routes;
mod signature;
mod space;
mod supported;
mod tags;
mod token;
mod unset;
mod upload;
mod versions;
mod writing;

#[cfg(test)]
mod tests;

pub use access::TlsVersion;
pub use drain::drain;
pub use elsewhere::{Elsewhere, ElsewhereError};
pub use front::{Front, host};
pub use host::{Addressing, HostError, Hosts};
pub use observer::{Observer, Served};
pub use resource::bucket_name;
