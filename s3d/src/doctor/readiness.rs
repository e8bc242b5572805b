//! Asks the server that runs whether it is ready, over TLS if it has a certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http_client::exchange;
use crate::listener::TlsFiles;

const PATIENCE: Duration = Duration::from_secs(5);

/// The status and the text of `/readyz`.
pub(super) async fn ask(
    address: SocketAddr,
    tls: Option<&TlsFiles>,
) -> anyhow::Result<(StatusCode, String)> {
    let asked = tokio::time::timeout(PATIENCE, ask_patiently(address, tls)).await;
    asked.context("there was no answer in time")?
}

async fn ask_patiently(
    address: SocketAddr,
    tls: Option<&TlsFiles>,
) -> anyhow::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let request = Request::get("/readyz").header(http::header::HOST, address.to_string());
    let request = request.body(Full::<Bytes>::default())?;
    let (status, text) = match tls {
        None => exchange(stream, request).await?,
        Some(files) => {
            let name = ServerName::IpAddress(address.ip().into());
            let connector = TlsConnector::from(Arc::new(client_of(files)?));
            let stream = connector
                .connect(name, stream)
                .await
                .context("it serves another certificate than the file has; systemctl reload s3d")?;
            exchange(stream, request).await?
        }
    };
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// A client that trusts the server's own certificate, whoever issued it and whatever its name.
fn client_of(files: &TlsFiles) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let own = OwnCertificate {
        certificate: CertificateDer::from_pem_file(&files.tls_certificate)?,
        provider: provider.clone(),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(own))
        .with_no_client_auth())
}

#[derive(Debug)]
struct OwnCertificate {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OwnCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("it is another certificate".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
