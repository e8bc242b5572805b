//! The front as a whole, in one process: real accounts, buckets and signatures over volumes in
//! memory.

mod appending;
mod changes;
mod connections;
mod copying;
mod cors;
mod forms;
mod headers;
mod holes;
mod hosts;
mod listings;
mod multipart;
mod objects;
mod patching;
mod policies;
mod prefixes;
mod rack;
mod renaming;
mod settings;
mod shared;
mod tagging;
mod tenants;
mod version2;
