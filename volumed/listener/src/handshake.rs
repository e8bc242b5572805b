use std::io;

use volumed_nbd::Violation;
use volumed_nbd::server::{Handshake, Requests, Step};
use volumed_stream::Stream;

use super::exports::{Export as _, Exports, Refused};
use super::tls::Tls;

/// Why no export was opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("no TLS with this client: {0}")]
    Tls(io::Error),
}

/// A client that has an export open.
pub(super) struct Opened<X> {
    pub stream: Stream,
    pub export: X,
    pub requests: Requests,
}

/// Talks with a new client until it has an export open, with `tls` only under TLS; `None` when it
/// left before.
pub(super) async fn shake_hands<E: Exports>(
    mut stream: Stream,
    exports: &E,
    tls: Option<&Tls>,
) -> Result<Option<Opened<E::Export>>, HandshakeError> {
    let mut handshake = match tls {
        Some(_) => Handshake::requiring_tls(),
        None => Handshake::new(),
    };
    loop {
        let step = handshake.step()?;
        // Before each question is looked at, so that answers never pile up for a client that asks
        // and does not listen.
        stream.write_all(&handshake.take_output()).await?;
        match (step, tls) {
            (Step::NeedInput, _) => {
                if stream.read(handshake.input()).await? == 0 {
                    return Ok(None);
                }
            }
            // The machine offers TLS nowhere else.
            (Step::Aborted, _) | (Step::StartTls, None) => return Ok(None),
            (Step::StartTls, Some(tls)) => {
                let started = stream.accept_tls(tls.config()).await;
                stream = started.map_err(HandshakeError::Tls)?;
            }
            (Step::List, _) => {
                let names = exports.names().await.unwrap_or_default();
                handshake.list(names.iter().map(String::as_str));
            }
            (Step::Describe(name), _) => match exports.size(&name).await {
                Ok(size) => handshake.describe(size),
                Err(refused) => refuse(&mut handshake, &refused)?,
            },
            (Step::Open(name), _) => match exports.open(&name).await {
                Ok(export) => {
                    let mut requests = handshake.open(export.size());
                    stream.write_all(&requests.take_output()).await?;
                    return Ok(Some(Opened {
                        stream,
                        export,
                        requests,
                    }));
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
