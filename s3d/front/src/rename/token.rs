//! Tokens by which a repeated rename is known.

use http::HeaderMap;
use s3d_bucket::{Condition, EtagMatch, Key, RequestToken, TokenHash};
use sha2::{Digest, Sha256};

use super::source::RenameError;

/// Longest token.
const LONGEST: usize = 64;

/// The token of a request, if it has one. `caller`: who asks; tokens of others are others.
pub fn read(headers: &HeaderMap, caller: &str) -> Result<Option<TokenHash>, RenameError> {
    let Some(header) = headers.get("x-amz-client-token") else {
        return Ok(None);
    };
    let token = header.as_bytes();
    if token.is_empty() || token.len() > LONGEST || !token.iter().all(u8::is_ascii_graphic) {
        return Err(RenameError::Token);
    }
    let mut hash = FieldsHash::default();
    hash.add(caller.as_bytes());
    hash.add(token);
    Ok(Some(hash.finish()))
}

/// A rename from one key to another, under conditions on each.
pub fn request(
    token: TokenHash,
    [from, to]: [&Key; 2],
    conditions: [&Condition; 2],
) -> RequestToken {
    let mut hash = FieldsHash::default();
    hash.add(from.as_str().as_bytes());
    hash.add(to.as_str().as_bytes());
    for condition in conditions {
        hash.add_etags(condition.if_match.as_ref());
        hash.add_etags(condition.if_none_match.as_ref());
        for time in [condition.if_modified_since, condition.if_unmodified_since] {
            let time = time.map(|time| time.0.to_le_bytes());
            hash.add(time.as_ref().map_or(&[], |time| &time[..]));
        }
    }
    RequestToken {
        token,
        parameters: hash.finish(),
    }
}

/// Hashes fields so that no two lists of them are the same bytes.
#[derive(Default)]
struct FieldsHash(Sha256);

impl FieldsHash {
    fn add(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    fn add_etags(&mut self, etags: Option<&EtagMatch>) {
        match etags {
            None => self.add(b"none"),
            Some(EtagMatch::Any) => self.add(b"any"),
            Some(EtagMatch::OneOf(etags)) => {
                self.add(b"one of");
                self.add(&(etags.len() as u64).to_le_bytes());
                for etag in etags {
                    self.add(etag.as_bytes());
                }
            }
        }
    }

    fn finish(self) -> TokenHash {
        let hash = self.0.finalize();
        let mut half = TokenHash::default();
        half.copy_from_slice(&hash[..16]);
        half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(token: &str, caller: &str) -> Result<Option<TokenHash>, RenameError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-client-token", token.parse().expect("a value"));
        read(&headers, caller)
    }

    #[test]
    fn tokens_are_visible_ascii_and_each_callers_own() {
        let longest = "t".repeat(LONGEST);
        assert!(matches!(of(&longest, "us"), Ok(Some(_))));
        for token in ["", "a b", "t\u{e9}", &format!("{longest}t")] {
            assert_eq!(of(token, "us"), Err(RenameError::Token), "{token}");
        }
        assert_eq!(of("t", "us"), of("t", "us"));
        assert_ne!(of("t", "us"), of("t", "them"));
        assert_ne!(of("st", "u"), of("t", "us"));
        assert_eq!(read(&HeaderMap::new(), "us"), Ok(None));
    }

    #[test]
    fn all_that_is_asked_for_counts() {
        let (a, b) = (Key::new("a").expect("a key"), Key::new("b").expect("a key"));
        let any = Condition::default();
        let of = |keys, conditions| request([0; 16], keys, conditions).parameters;
        let first = of([&a, &b], [&any, &any]);
        assert_eq!(of([&a, &b], [&any, &any]), first);
        let (absent, etag) = (Condition::absent(), Condition::etag("x"));
        let others = [
            of([&b, &a], [&any, &any]),
            of([&a, &a], [&any, &any]),
            of([&a, &b], [&any, &absent]),
            of([&a, &b], [&absent, &any]),
            of([&a, &b], [&etag, &any]),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, first);
            assert!(!others[..at].contains(other));
        }
    }
}
