//! The canonical form of a request, which is what is signed (AWS Signature Version 4, step 1).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::Received;

/// All that SigV4 encodes: everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What of a request is signed.
pub struct Signable<'r> {
    /// The request.
    pub request: Received<'r>,
    /// The names of the signed ones, in any case, with `;` between.
    pub signed_headers: &'r str,
    /// The hash of its body, or what stands for it.
    pub payload: &'r str,
}

impl Signable<'_> {
    /// The canonical request, with `path` as its canonical path.
    pub fn canonical(&self, path: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(self.request.method.as_str().as_bytes());
        text.push(b'\n');
        text.extend_from_slice(path.as_bytes());
        text.push(b'\n');
        self.write_query(&mut text);
        text.push(b'\n');
        self.write_headers(&mut text);
        text.extend_from_slice(self.payload.as_bytes());
        text
    }

    fn write_query(&self, text: &mut Vec<u8>) {
        // A signature does not sign itself.
        let signed = |(name, _): &(&str, &str)| *name != "X-Amz-Signature";
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = self
            .request
            .query
            .pairs()
            .filter(signed)
            .map(|(name, value)| (encode(name.as_bytes()), encode(value.as_bytes())))
            .collect();
        pairs.sort_unstable();
        for (at, (name, value)) in pairs.iter().enumerate() {
            if at > 0 {
                text.push(b'&');
            }
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }

    fn write_headers(&self, text: &mut Vec<u8>) {
        let names = self.signed_headers.to_ascii_lowercase();
        let mut names: Vec<&str> = names.split(';').collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            for (at, value) in self.request.headers.get_all(*name).iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                write_value(value.as_bytes(), text);
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(names.join(";").as_bytes());
        text.push(b'\n');
    }
}

/// A header's value without the spaces around it, and with one space for each run of them.
fn write_value(value: &[u8], text: &mut Vec<u8>) {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

/// The paths that a client may have signed for the one it sent: encoded anew, as the rules say,
/// and just as it was sent, because not every client encodes by them.
pub fn paths(sent: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let encoded = if sent.bytes().all(plain) {
        Cow::Borrowed(sent)
    } else {
        let segments = sent.split('/').map(|segment| {
            let decoded: Cow<'_, [u8]> = percent_decode_str(segment).into();
            encode(&decoded).into_owned()
        });
        Cow::Owned(segments.collect::<Vec<_>>().join("/"))
    };
    let other = (encoded != sent).then_some(Cow::Borrowed(sent));
    std::iter::once(encoded).chain(other)
}

fn encode(bytes: &[u8]) -> Cow<'_, str> {
    percent_encode(bytes, RESERVED).into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::query::Query;

    fn canonical(method: &Method, query: &str, headers: &HeaderMap, signed: &str) -> String {
        let query = Query::parse(Some(query));
        let path = "/";
        let request = Received {
            method,
            path,
            host_bucket: None,
            query: &query,
            headers,
        };
        let signable = Signable {
            request,
            signed_headers: signed,
            payload: "hash",
        };
        String::from_utf8_lossy(&signable.canonical(path)).into_owned()
    }

    /// The example of AWS's documentation, "Signature calculations for the authorization header:
    /// transferring payload in a single chunk", GET bucket (list objects).
    #[test]
    fn aws_example_holds() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", "hash"),
            ("x-amz-date", "20130524T000000Z"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let expected = "GET\n/\nmax-keys=2&prefix=J\nhost:examplebucket.s3.amazonaws.com\n\
             x-amz-content-sha256:hash\nx-amz-date:20130524T000000Z\n\n\
             host;x-amz-content-sha256;x-amz-date\nhash";
        let query = "max-keys=2&prefix=J";
        assert_eq!(canonical(&Method::GET, query, &headers, signed), expected);
    }

    #[test]
    fn values_are_trimmed_and_joined() {
        let mut headers = HeaderMap::new();
        for value in ["  a   b ", "c"] {
            headers.append("x-amz-meta-a", value.parse().expect("a value"));
        }
        let query = "b=%20&a=2&a=1&X-Amz-Signature=x";
        let expected =
            "PUT\n/\na=1&a=2&b=%20\ngone:\nx-amz-meta-a:a b,c\n\ngone;x-amz-meta-a\nhash";
        let signed = "X-Amz-Meta-A;gone";
        assert_eq!(canonical(&Method::PUT, query, &headers, signed), expected);
    }

    #[test]
    fn paths_are_encoded_or_left() {
        let of = |path| paths(path).collect::<Vec<_>>();
        assert_eq!(of("/a/b-_.~"), ["/a/b-_.~"]);
        assert_eq!(of("/a%20b/%C3%A9"), ["/a%20b/%C3%A9"]);
        assert_eq!(of("/a+b"), ["/a%2Bb", "/a+b"]);
        assert_eq!(of("/a%2fb"), ["/a%2Fb", "/a%2fb"]);
    }
}
