//! Every S3 operation and every route of the REST API, called by those who may not.
//!
//! The operations come from s3s, the routes from the API's own description: one that is added and
//! not covered here fails the test.

mod operations;
mod rest;
mod s3;
mod stranger;
