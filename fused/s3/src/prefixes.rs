//! Renaming all keys that begin alike, which Hayrack has and S3 does not.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::S3Error;
use crate::request::{Request, encode_path};

/// How long to wait before a rename is tried again that another one is in the way of.
const PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Gives all keys that begin with `from` the beginning `to`, at once. An object whose key is `to`
    /// itself is replaced; other keys below it are an error of the kind `Precondition`. When nothing
    /// begins with `from` the error is of the kind `NotFound`: so it is too when the answer to a first
    /// try was lost. While an earlier rename moves its rows it is tried again.
    pub async fn rename_prefix(&self, from: &str, to: &str) -> Result<(), S3Error> {
        let source = format!("/{}/{}", self.bucket(), encode_path(from));
        let request = Request::object(Method::PUT, to)
            .query("renamePrefix", "")
            .header("x-amz-rename-source", source);
        let deadline = Instant::now() + self.0.settings.patience.total;
        loop {
            match self.send(&request).await {
                Err(error) if error.code == "OperationAborted" && Instant::now() < deadline => {
                    sleep(PAUSE).await;
                }
                answer => return answer.map(drop),
            }
        }
    }
}
