//! Headers that s3s reads more strictly than S3 does, or loses: they are taken out of the request
//! before s3s sees it, and read here.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
    Entry, RANGE,
};
use http::{HeaderMap, HeaderName};

use s3d_bucket::Condition;

use crate::conditions;
use crate::range_header::ByteRange;

/// The headers that are kept with an object and returned as they came.
pub const KEPT: [HeaderName; 6] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    EXPIRES,
];

/// Headers that s3s does not get.
#[derive(Debug, Clone, Default)]
pub struct LenientHeaders {
    /// What describes an object: [`KEPT`] and `x-amz-meta-…`.
    pub object: HeaderMap,
    /// `If-Match` and its kin.
    pub condition: Condition,
    /// `x-amz-copy-source-if-match` and its kin, or `x-amz-rename-source-if-match` and its kin.
    pub source_condition: Condition,
    /// `Range`.
    pub range: Option<ByteRange>,
}

impl LenientHeaders {
    /// Takes them out of a request's headers.
    pub fn take(headers: &mut HeaderMap) -> Self {
        let mut object = HeaderMap::new();
        for name in KEPT {
            transfer(headers, &name, &mut object);
        }
        let metadata = headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-amz-meta-"));
        let metadata: Vec<HeaderName> = metadata.cloned().collect();
        for name in metadata {
            transfer(headers, &name, &mut object);
        }
        read_plus_as_space(headers);
        let range = headers.remove(RANGE);
        Self {
            object,
            condition: conditions::take(headers),
            source_condition: conditions::take_of_source(headers),
            range: range.and_then(|range| ByteRange::read(range.to_str().ok()?)),
        }
    }
}

/// AWS decodes the source of a copy as a form's field, and programs (s5cmd) encode it as one.
fn read_plus_as_space(headers: &mut HeaderMap) {
    if let Some(source) = headers.get_mut("x-amz-copy-source")
        && let Ok(text) = source.to_str()
        && let Ok(decoded) = text.replace('+', "%20").parse()
    {
        *source = decoded;
    }
}

fn transfer(from: &mut HeaderMap, name: &HeaderName, to: &mut HeaderMap) {
    if let Entry::Occupied(entry) = from.entry(name) {
        for value in entry.remove_entry_mult().1 {
            to.append(name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_a_copy_source_is_a_space() {
        let mut headers = HeaderMap::new();
        let source = "bucket/a+b%2Bc%20d".parse().expect("a header's value");
        headers.insert("x-amz-copy-source", source);
        LenientHeaders::take(&mut headers);
        assert_eq!(headers["x-amz-copy-source"], "bucket/a%20b%2Bc%20d");
    }

    #[test]
    fn what_s3s_would_refuse_is_taken_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("expires", "0"),
            ("range", "bytes=1-2,3-4"),
            ("if-modified-since", "yesterday"),
            ("if-none-match", "\"a\", W/\"b\""),
            ("x-amz-copy-source-if-match", "a, b"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
            ("content-type", "multipart/form-data"),
            ("x-amz-acl", "private"),
        ] {
            headers.append(name, value.parse().expect("a value"));
        }
        let taken = LenientHeaders::take(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-amz-acl"]);
        assert_eq!(taken.object["expires"], "0");
        assert_eq!(taken.object.get_all("x-amz-meta-a").iter().count(), 2);
        assert_eq!(taken.range, None);
        let condition = &taken.condition;
        assert!(condition.if_none_match.is_some() && condition.if_modified_since.is_none());
        assert!(taken.source_condition.if_match.is_some());
    }
}
