//! AWS Signature Version 4: what is signed with it, and by whom.

use std::time::SystemTime;

use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::canonical::{Signable, paths};
use super::key::{SigningKey, hex, unhex};
use super::time::{MAX_SKEW, SigningTime};
use super::{Received, Seed, SignatureError};
use crate::query::Query;

/// Longest life of a presigned URL, in seconds: seven days.
const MAX_EXPIRES: i64 = 7 * 24 * 3600;

const PAYLOAD: &str = "x-amz-content-sha256";

/// The words that stand for the hash of a body.
const PAYLOADS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
];

/// A signature, before anybody verified it.
#[derive(Debug, PartialEq, Eq)]
pub struct Version4<'r> {
    /// Who says to have signed.
    pub access_key_id: &'r str,
    /// `<day>/<region>/s3/aws4_request`.
    pub scope: &'r str,
    /// The names of the signed headers, with `;` between.
    pub signed_headers: &'r str,
    /// In lower-case hex.
    pub signature: &'r str,
    /// When it was signed.
    pub time: SigningTime,
    /// What was signed as the hash of the body.
    pub payload: &'r str,
    /// Whether it is in the query.
    pub presigned: bool,
}

impl<'r> Version4<'r> {
    /// Whether a query has such a signature, or the beginnings of one.
    pub fn is_in(query: &Query<'_>) -> bool {
        ["X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential"]
            .into_iter()
            .any(|name| query.has(name))
    }

    /// Reads what an `Authorization` header has behind the name of the mechanism. `time`: that of
    /// the request.
    pub fn in_header(
        fields: &'r str,
        headers: &'r HeaderMap,
        time: SigningTime,
    ) -> Result<Self, SignatureError> {
        let field = |wanted: &str| {
            let mut fields = fields.split(',').filter_map(|it| it.trim().split_once('='));
            let found = fields.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value)
        };
        let missing = |it| SignatureError::Header(it);
        let credential = field("Credential").ok_or(missing("Credential is missing"))?;
        let (access_key_id, scope) = credential_of(credential)
            .filter(|(_, scope)| scope.starts_with(time.day()))
            .ok_or(missing(
                "Credential must be <key id>/<day>/<region>/s3/aws4_request, of the request's day",
            ))?;
        let signed_headers = field("SignedHeaders").ok_or(missing("SignedHeaders is missing"))?;
        let signature = field("Signature").ok_or(missing("Signature is missing"))?;
        let payload = headers.get(PAYLOAD).ok_or(SignatureError::NoPayloadHash)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature,
            time,
            payload: payload.to_str().unwrap_or_default(),
            presigned: false,
        })
    }

    /// Reads the query of a presigned URL.
    pub fn in_query(
        query: &'r Query<'_>,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Self, SignatureError> {
        let parameter = |name| query.only(name).ok_or(SignatureError::Query(name));
        if parameter("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(SignatureError::Query("X-Amz-Algorithm"));
        }
        let date = parameter("X-Amz-Date")?;
        let time = SigningTime::parse(date).ok_or(SignatureError::Query("X-Amz-Date"))?;
        let (access_key_id, scope) = credential_of(parameter("X-Amz-Credential")?)
            .filter(|(_, scope)| scope.starts_with(time.day()))
            .ok_or(SignatureError::Query("X-Amz-Credential"))?;
        let expires = parameter("X-Amz-Expires")?.parse::<i64>().ok();
        let expires = expires.filter(|seconds| (0..=MAX_EXPIRES).contains(seconds));
        let age = time.age(now);
        if age >= expires.ok_or(SignatureError::Expires)? {
            return Err(SignatureError::Expired);
        }
        if age < -MAX_SKEW {
            return Err(SignatureError::NotYetValid);
        }
        let signed_headers = parameter("X-Amz-SignedHeaders")?;
        // The body of a presigned URL is not known when it is signed, unless it says so.
        let header = headers
            .get(PAYLOAD)
            .filter(|_| names(signed_headers, PAYLOAD));
        let payload = match header {
            Some(payload) => payload.to_str().ok(),
            None => query.only("X-Amz-Content-Sha256"),
        };
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature: parameter("X-Amz-Signature")?,
            time,
            payload: payload.unwrap_or("UNSIGNED-PAYLOAD"),
            presigned: true,
        })
    }
    /// Checks that all that matters is signed, and that `secret` signed it.
    pub fn verify(&self, request: Received<'_>, secret: &str) -> Result<(), SignatureError> {
        check_payload(self.payload)?;
        self.check_signed(request.headers)?;
        let signable = Signable {
            request,
            signed_headers: self.signed_headers,
            payload: self.payload,
        };
        let key = SigningKey::derive(secret, self.scope);
        let verifies = |path: &str| {
            let hash = hex(&Sha256::digest(signable.canonical(path)));
            let (time, scope) = (self.time.basic(), self.scope);
            let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
            key.verifies(text.as_bytes(), self.signature)
        };
        if paths(request.path).any(|path| verifies(&path)) {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    /// The host and every `x-amz-` header are among the signed ones: one that nobody signed was
    /// perhaps added on the way.
    fn check_signed(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        let signed = |name: &str| names(self.signed_headers, name);
        if !signed("host") {
            return Err(SignatureError::Unsigned("host".to_owned()));
        }
        for name in headers.keys() {
            let name = name.as_str();
            // The hash of the payload can only narrow what a presigned URL allows.
            let matters = name.starts_with("x-amz-") && name != "x-amz-content-sha256";
            if matters && !signed(name) {
                return Err(SignatureError::Unsigned(name.to_owned()));
            }
        }
        Ok(())
    }

    /// What the signatures of chunks build on.
    pub fn seed(&self) -> Seed {
        Seed {
            scope: self.scope.to_owned(),
            time: self.time.clone(),
            signature: self.signature.to_owned(),
        }
    }
}

fn check_payload(payload: &str) -> Result<(), SignatureError> {
    if payload.starts_with("STREAMING-AWS4-ECDSA-") {
        return Err(SignatureError::Asymmetric);
    }
    if PAYLOADS.contains(&payload) || unhex(payload).is_some() {
        Ok(())
    } else {
        Err(SignatureError::PayloadHash)
    }
}

/// The key id and the scope in a credential, if the scope is one of S3.
pub fn credential_of(credential: &str) -> Option<(&str, &str)> {
    // An access key id may have slashes; a scope has three.
    let mut slashes = credential.rmatch_indices('/').map(|(at, _)| at);
    let (id, scope) = credential.split_at(slashes.nth(3)?);
    let scope = &scope[1..];
    scope.ends_with("/s3/aws4_request").then_some((id, scope))
}

/// Whether a list of signed headers names one.
pub fn names(signed_headers: &str, name: &str) -> bool {
    let mut names = signed_headers.split(';');
    names.any(|signed| signed.eq_ignore_ascii_case(name))
}
