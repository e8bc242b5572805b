//! The `x-amz-` headers of S3's requests: which are not built, and which may ask for nothing but
//! what is the case anyway.

use http::{HeaderMap, HeaderValue};

use crate::supported::Unsupported;

/// What is done with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It is read, or means nothing that could be wrong, here or in S3.
    Fine,
    /// It may have one of these values, in any case: they ask for what is the case anyway.
    Only(&'static [&'static str]),
    /// It asks for something that is not built.
    Refused,
}

fn rule(name: &str) -> Rule {
    match name {
        // No object is ever restored from an archive.
        "x-amz-optional-object-attributes" => Rule::Only(&["RestoreStatus"]),
        "x-amz-bucket-object-lock-enabled"
        | "x-amz-server-side-encryption-bucket-key-enabled"
        | "x-amz-skip-destination-validation" => Rule::Only(&["false"]),
        "x-amz-object-lock-legal-hold" => Rule::Only(&["OFF"]),
        "x-amz-storage-class" => Rule::Only(&["STANDARD"]),
        _ if READ.contains(&name) => Rule::Fine,
        _ if REFUSED.iter().any(|refused| name.starts_with(refused)) => Rule::Refused,
        // It is read, or harmless, or S3 has no such header and passes it over.
        _ => Rule::Fine,
    }
}

/// Headers that are read although they begin as those do that are not built.
const READ: [&str; 26] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-rename-source",
    "x-amz-rename-source-if-match",
    "x-amz-rename-source-if-modified-since",
    "x-amz-rename-source-if-none-match",
    "x-amz-rename-source-if-unmodified-since",
    "x-amz-write-offset-bytes",
];

/// Beginnings of headers that ask for what is not built.
const REFUSED: [&str; 11] = [
    "x-amz-annotation",
    "x-amz-checksum-",
    "x-amz-copy-source-",
    "x-amz-grant-",
    "x-amz-if-match-",
    "x-amz-object-lock-",
    "x-amz-rename-source",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-source-expected-bucket-owner",
    "x-amz-website-redirect-location",
];

/// Whether what the headers of a request ask for is built.
pub fn check(headers: &HeaderMap) -> Result<(), Unsupported> {
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with("x-amz-") {
            continue;
        }
        let fine = match rule(name) {
            Rule::Fine => true,
            Rule::Only(values) => values.iter().any(|wanted| is(value, wanted)),
            Rule::Refused => false,
        };
        if !fine {
            return Err(Unsupported::Header(name.to_owned()));
        }
    }
    Ok(())
}

fn is(value: &HeaderValue, wanted: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &'static str, value: &str) -> Result<(), Unsupported> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        check(&headers)
    }

    #[test]
    fn what_asks_for_the_default_passes() {
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-meta-a", "b"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-bucket-object-lock-enabled", "False"),
            ("x-amz-object-lock-legal-hold", "OFF"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
            ("x-amz-optional-object-attributes", "RestoreStatus"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-request-payer", "requester"),
            ("content-range", "no matter"),
        ] {
            assert_eq!(ask(name, value), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_not_built_is_named() {
        for (name, value) in [
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-bucket-object-lock-enabled", "true"),
            ("x-amz-object-lock-legal-hold", "ON"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "x"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-security-token", "x"),
        ] {
            let refusal = Err(Unsupported::Header(name.to_owned()));
            assert_eq!(ask(name, value), refusal);
        }
    }

    #[test]
    fn what_s3_does_not_know_is_passed_over() {
        assert_eq!(ask("x-amz-unheard-of", "x"), Ok(()));
    }
}
