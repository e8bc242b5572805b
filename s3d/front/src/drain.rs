//! Reads on after a refusal.
//!
//! A server that closes a connection on which bytes are under way makes the client's system forget
//! the answer that came before (RFC 9112 §9.6). So what the client still sends is read and thrown
//! away, within bounds, while the answer is on its way.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;

/// Bytes that are thrown away at most.
const MOST: usize = 32 << 20;

/// How long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Throws away what is left of a body.
pub async fn drain(mut body: Body) {
    let read = async {
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // The connection is closed behind the answer in any case.
    let _ = tokio::time::timeout(PATIENCE, read).await;
}
