//! One request on a connection of its own, for what is not measured.

use crate::connection::{Connection, Payload, Request, Response};
use crate::sign::Target;

/// Sends a request for a presigned path, with a Range header if one is given, and keeps the
/// answer's body.
pub fn ask(
    target: &Target,
    method: &str,
    path: &str,
    range: Option<&str>,
) -> anyhow::Result<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(&target.address()).await?;
        let (bytes, length) = (&[][..], 0);
        let request = Request {
            method,
            target: path,
            authority: &target.authority,
            header: range.map(|range| ("Range", range)),
            body: (method == "PUT").then_some(Payload { bytes, length }),
            keep: true,
        };
        connection.exchange(&request).await
    })
}
