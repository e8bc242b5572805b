//! What is renamed, as the request names it.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3d_bucket::{Key, Precondition};

/// Why nothing is renamed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// The request names no source, or no key.
    #[error(
        "x-amz-rename-source must name the key to rename, or this bucket and the key with a slash \
         between them, and be URL-encoded"
    )]
    Source,
    /// There is no such key in this bucket.
    #[error(
        "there is no key {key:?} in the bucket {bucket}: an object is renamed within its bucket, and \
         its source is a key, or the bucket and a key with a slash between them"
    )]
    NoSuchKey {
        /// The bucket of the request.
        bucket: String,
        /// The key that was looked for.
        key: String,
    },
    /// A condition on the source does not hold.
    #[error("at least one of the preconditions you specified for the source did not hold")]
    Precondition(Precondition),
    /// The token is none.
    #[error("x-amz-client-token must have 1 to 64 characters of visible ASCII")]
    Token,
    /// Bytes were sent that nobody would keep.
    #[error("a rename has no body")]
    Body,
}

/// The key that a request wants renamed in `bucket`.
///
/// A slash in front is taken off. If what follows begins with the name of the bucket and a slash, the
/// rest is the key; else all of it is. So a client that always names the bucket is always understood,
/// and one that does not must name it for keys that begin as the bucket is called. No other bucket is
/// ever looked at.
pub fn read(headers: &HeaderMap, bucket: &str) -> Result<Key, RenameError> {
    let header = headers.get("x-amz-rename-source");
    let text = header.and_then(|header| header.to_str().ok());
    // As in the source of a copy, a plus is a space.
    let text = text.ok_or(RenameError::Source)?.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| RenameError::Source)?;
    let path = decoded.strip_prefix('/').unwrap_or(&decoded);
    let key = match path.split_once('/') {
        Some((first, key)) if first == bucket => key,
        _ => path,
    };
    if key.contains('\0') {
        return Err(RenameError::Source);
    }
    Key::new(key).map_err(|_| RenameError::Source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Result<String, RenameError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-rename-source", source.parse().expect("a value"));
        read(&headers, "blue").map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_source_is_a_key_or_the_bucket_and_a_key() {
        for (source, key) in [
            ("x", "x"),
            ("/x", "x"),
            ("x/y", "x/y"),
            ("blue/x", "x"),
            ("/blue/x", "x"),
            ("/blue/x/y", "x/y"),
            // A key that begins with the name of its bucket.
            ("blue/blue/x", "blue/x"),
            ("blue", "blue"),
            // Another bucket is no bucket here.
            ("red/x", "red/x"),
            ("/red/x", "red/x"),
            // A key that begins with a slash.
            ("blue//x", "/x"),
            ("//x", "/x"),
            ("blue%2Fa%20b%2Bc+d", "a b+c d"),
            ("%C3%A9/", "é/"),
        ] {
            assert_eq!(of(source).as_deref(), Ok(key), "{source}");
        }
    }

    #[test]
    fn what_names_no_key_is_refused() {
        let long = "k".repeat(1025);
        for source in ["", "/", "blue/", "/blue/", "%FF", "a%00b", &long] {
            assert_eq!(of(source), Err(RenameError::Source), "{source}");
        }
        assert_eq!(read(&HeaderMap::new(), "blue"), Err(RenameError::Source));
    }
}
