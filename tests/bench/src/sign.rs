//! Presigned request targets: all signing happens before a measured loop, so that the generator,
//! which shares its cores with the server, spends next to nothing on it.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

/// Long enough for the longest run.
const VALID: Duration = Duration::from_hours(12);

/// One bucket at one endpoint, and the keys to it.
pub struct Target {
    /// `host:port`, as in the Host header.
    pub authority: String,
    bucket: String,
    region: String,
    access_key: String,
    secret_key: String,
}

impl Target {
    /// # Errors
    /// When the endpoint is not a plain `http://host[:port]`.
    pub fn new(
        endpoint: &str,
        bucket: &str,
        region: &str,
        access_key: String,
        secret_key: String,
    ) -> anyhow::Result<Self> {
        let uri: http::Uri = endpoint
            .parse()
            .with_context(|| format!("{endpoint:?} is not a URL"))?;
        let Some(authority) = uri.authority() else {
            bail!("{endpoint:?} names no host")
        };
        if uri.scheme_str() != Some("http") {
            bail!("{endpoint:?} is not http://; the generator speaks no TLS");
        }
        Ok(Self {
            authority: authority.to_string(),
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            access_key,
            secret_key,
        })
    }

    /// The same for another bucket of the endpoint.
    pub fn with_bucket(&self, bucket: &str) -> Self {
        Self {
            authority: self.authority.clone(),
            bucket: bucket.to_owned(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
        }
    }

    /// The endpoint's URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The access key id and the secret access key, for programs that sign requests themselves.
    pub fn keys(&self) -> (&str, &str) {
        (&self.access_key, &self.secret_key)
    }

    /// Where to connect.
    pub fn address(&self) -> String {
        if self
            .authority
            .rsplit(':')
            .next()
            .is_some_and(|port| port.parse::<u16>().is_ok())
        {
            self.authority.clone()
        } else {
            format!("{}:80", self.authority)
        }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The path and presigned query of a request for `key` (empty: the bucket itself). `query` is
    /// already percent-encoded and may be empty.
    pub fn presign(&self, method: &str, key: &str, query: &str) -> anyhow::Result<String> {
        self.presign_with(method, key, query, None)
    }

    /// The same of a request that has one more header, name and value.
    pub fn presign_with(
        &self,
        method: &str,
        key: &str,
        query: &str,
        header: Option<(&str, &str)>,
    ) -> anyhow::Result<String> {
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!(
            "http://{}/{}/{key}{separator}{query}",
            self.authority, self.bucket
        );
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.expires_in = Some(VALID);
        let identity =
            Credentials::new(&self.access_key, &self.secret_key, None, None, "bench").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let headers = [("host", self.authority.as_str())]
            .into_iter()
            .chain(header);
        let request = SignableRequest::new(method, &url, headers, SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let mut signed = http::Request::builder().method(method).uri(url).body(())?;
        instructions.apply_to_request_http1x(&mut signed);
        let target = signed
            .uri()
            .path_and_query()
            .context("a signed request has a path")?;
        Ok(target.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str) -> anyhow::Result<Target> {
        Target::new(endpoint, "b", "us-east-1", "id".into(), "secret".into())
    }

    #[test]
    fn a_presigned_target_holds_the_key_and_the_signature() {
        let signed = target("http://127.0.0.1:9000")
            .unwrap()
            .presign("GET", "a/b", "x=1")
            .unwrap();
        assert!(signed.starts_with("/b/a/b?x=1&"), "{signed}");
        assert!(signed.contains("X-Amz-Signature="), "{signed}");
    }

    #[test]
    fn the_port_defaults_to_80() {
        assert_eq!(target("http://h").unwrap().address(), "h:80");
        assert_eq!(target("http://h:9").unwrap().address(), "h:9");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(target("https://h").is_err());
        assert!(target("h").is_err());
    }
}
