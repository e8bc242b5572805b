//! ETags as S3 computes them: known before the answer, so that an object can be known by it.

use std::ops::Range;

use md5::{Digest as _, Md5};

use crate::objects::written;
use crate::uploads::Part;

/// The ETag of an object that is stored whole, quotes included.
pub fn etag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Md5::digest(bytes)))
}

/// The ETag of an object that is made of parts; `None` if the server's ETags are not as S3 computes
/// them.
pub fn etag_of_parts(parts: &[Part]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        let sum = hex::decode(part.etag.trim_matches('"')).ok()?;
        digest.update(sum);
    }
    Some(format!(
        "\"{}-{}\"",
        hex::encode(digest.finalize()),
        parts.len()
    ))
}

/// The ETag that Hayrack gives an object with other bytes in these ranges (`s3d/CONFORMANCE.md`):
/// the MD5 of the ETag before, of the ranges and of the bytes' MD5, and how often the object was
/// written.
pub fn etag_of_patch(before: &str, ranges: &[Range<u64>], bytes: &[u8]) -> String {
    let before = before.trim_matches('"');
    let times = before.rsplit_once('-').and_then(|(_, it)| it.parse().ok());
    let times = times.unwrap_or(1_u64).saturating_add(1);
    let mut digest = Md5::new();
    digest.update(before);
    digest.update(written(ranges));
    digest.update(hex::encode(Md5::digest(bytes)));
    format!("\"{}-{times}\"", hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_those_of_s3() {
        assert_eq!(etag_of(b"hello"), "\"5d41402abc4b2a76b9719d911017c592\"");
        let part = |bytes: &[u8]| Part {
            number: 1,
            etag: etag_of(bytes),
        };
        let parts = [part(b"a"), part(b"b")];

        let expected = "\"96e024ba2074fe77e8e965ba43a704be-2\"";
        assert_eq!(etag_of_parts(&parts).unwrap(), expected);
        assert_eq!(
            etag_of_parts(&[Part {
                number: 1,
                etag: "x".into()
            }]),
            None
        );
    }
}
