//! How full a bucket is, which Hayrack says and S3 does not.

use http::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::S3Error;
use crate::objects::read;
use crate::request::Request;

/// How full a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Space {
    /// Objects.
    #[serde(rename = "Objects")]
    pub objects: u64,
    /// Bytes of objects and of the parts of uploads.
    #[serde(rename = "UsedBytes")]
    pub used: u64,
    /// Bytes that can still be written.
    #[serde(rename = "FreeBytes")]
    pub free: u64,
}

impl Client {
    /// How full the bucket is.
    pub async fn space(&self) -> Result<Space, S3Error> {
        let request = Request::bucket(Method::GET).query("space", "");
        read(&self.send(&request).await?.body)
    }
}
