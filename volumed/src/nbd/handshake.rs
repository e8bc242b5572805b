use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use volumed_nbd::Violation;
use volumed_nbd::server::{Handshake, Requests, Step};

use super::exports::{Export as _, Exports, Refused};

/// Why no export was opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
}

/// Talks with a new client until it has an export open; `None` when it left before.
pub(super) async fn shake_hands<E: Exports>(
    stream: &mut UnixStream,
    exports: &E,
) -> Result<Option<(E::Export, Requests)>, HandshakeError> {
    let mut handshake = Handshake::new();
    loop {
        let step = handshake.step()?;
        match step {
            Step::NeedInput => {
                stream.write_all(&handshake.take_output()).await?;
                if stream.read_buf(handshake.input()).await? == 0 {
                    return Ok(None);
                }
            }
            Step::Aborted => {
                stream.write_all(&handshake.take_output()).await?;
                return Ok(None);
            }
            Step::List => {
                let names = exports.names().await.unwrap_or_default();
                handshake.list(names.iter().map(String::as_str));
            }
            Step::Describe(name) => match exports.size(&name).await {
                Ok(size) => handshake.describe(size),
                Err(refused) => refuse(&mut handshake, &refused)?,
            },
            Step::Open(name) => match exports.open(&name).await {
                Ok(export) => {
                    let mut requests = handshake.open(export.size());
                    stream.write_all(&requests.take_output()).await?;
                    return Ok(Some((export, requests)));
                }
                Err(refused) => refuse(&mut handshake, &refused)?,
            },
        }
    }
}

fn refuse(handshake: &mut Handshake, refused: &Refused) -> Result<(), Violation> {
    tracing::debug!(%refused, "refused an export");
    handshake.refuse(refused.refusal, &refused.sentence)
}
