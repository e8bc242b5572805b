//! `PATCH /bucket/key`: ranges of an object get other bytes, all of them or none. S3 has nothing like
//! it; the request and its answer are those of Yandex Object Storage, which lacks several ranges.

mod object;
mod ranges;

pub use ranges::PatchError;
