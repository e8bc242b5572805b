//! What the conditions of bucket policies can ask of a request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use s3d_bucket::EtagMatch;
use s3d_policy::{Facts, keys};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Asked;
use crate::context::{Content, RequestContext};
use crate::query::Query;
use crate::tags;

/// The version of TLS that a request came by, such as `1.3`; in the extensions of those that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsVersion(pub &'static str);

/// What a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    peer: Option<IpAddr>,
    tls: Option<TlsVersion>,
}

/// Headers whose value is a fact.
const HEADERS: [(&str, &str); 15] = [
    ("referer", "aws:Referer"),
    ("user-agent", "aws:UserAgent"),
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
    ("x-amz-copy-source", "s3:x-amz-copy-source"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    (
        "x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption",
    ),
    (
        "x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        "x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-server-side-encryption-customer-algorithm",
    ),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
];

/// Query parameters whose value is a fact.
const PARAMETERS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

/// What is known of a request.
pub fn of_request(context: &RequestContext, asked: &Asked<'_>, now: OffsetDateTime) -> Facts {
    let mut facts = Facts::default();
    asked.connection.add_to(&mut facts);
    add_time(&mut facts, now);
    add_signer(&mut facts, context, now);
    for (name, key) in HEADERS {
        for value in asked.headers.get_all(name) {
            facts.add(key, String::from_utf8_lossy(value.as_bytes()));
        }
    }
    let query = Query::parse(asked.uri.query());
    for (name, key) in PARAMETERS {
        for (_, value) in query.pairs().filter(|(parameter, _)| *parameter == name) {
            facts.add(key, value);
        }
    }
    add_conditions(&mut facts, context);
    add_tags(&mut facts, asked.headers);
    facts
}

impl Connection {
    /// The connection of the request that has these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            peer: peer.map(|ConnectInfo(peer)| peer.ip().to_canonical()),
            tls: extensions.get().copied(),
        }
    }

    fn add_to(self, facts: &mut Facts) {
        if let Some(peer) = self.peer {
            facts.add("aws:SourceIp", peer.to_string());
        }
        facts.add("aws:SecureTransport", self.tls.is_some().to_string());
        if let Some(TlsVersion(version)) = self.tls {
            facts.add("s3:TlsVersion", version);
        }
    }
}

fn add_time(facts: &mut Facts, now: OffsetDateTime) {
    if let Ok(text) = now.format(&Rfc3339) {
        facts.add("aws:CurrentTime", text);
    }
    facts.add("aws:EpochTime", now.unix_timestamp().to_string());
}

fn add_signer(facts: &mut Facts, context: &RequestContext, now: OffsetDateTime) {
    let Some(signer) = &context.signer else {
        facts.add("aws:PrincipalType", "Anonymous");
        facts.add("aws:userid", "anonymous");
        return;
    };
    let namespace = signer.key.namespace.as_str();
    facts.add("aws:PrincipalType", "Account");
    facts.add("aws:PrincipalAccount", namespace);
    facts.add("aws:PrincipalArn", format!("arn:aws:iam::{namespace}:root"));
    facts.add("aws:userid", namespace);
    let place = match context.body {
        Content::Form { .. } => "POST",
        _ if signer.presigned => "REST-QUERY-STRING",
        _ => "REST-HEADER",
    };
    facts.add("s3:authType", place);
    facts.add("s3:signatureversion", signer.algorithm);
    if let Some(signed) = signer.signed_at {
        let age = now.unix_timestamp().saturating_sub(signed).max(0);
        facts.add("s3:signatureAge", age.saturating_mul(1000).to_string());
    }
}

fn add_conditions(facts: &mut Facts, context: &RequestContext) {
    let condition = &context.headers.condition;
    for (key, etags) in [
        ("s3:if-match", &condition.if_match),
        ("s3:if-none-match", &condition.if_none_match),
    ] {
        match etags {
            None => {}
            Some(EtagMatch::Any) => facts.add(key, "*"),
            Some(EtagMatch::OneOf(etags)) => {
                for etag in etags {
                    facts.add(key, etag);
                }
            }
        }
    }
}

/// Tags that cannot be read are refused later.
fn add_tags(facts: &mut Facts, headers: &HeaderMap) {
    let header = headers.get("x-amz-tagging");
    let text = header.and_then(|header| header.to_str().ok());
    let tags = text.and_then(|text| tags::of_header(text).ok());
    for (key, value) in tags.unwrap_or_default() {
        facts.add(&format!("{}{key}", keys::REQUEST_TAG), value);
        facts.add("s3:RequestObjectTagKeys", key);
    }
}
