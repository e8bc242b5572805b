//! Continuation tokens: where a listing goes on, as text that clients hand back unread.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Of which make a token is.
const VERSION: u8 = 1;

/// A token that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the continuation token provided is incorrect")]
pub struct TokenError;

/// The token to go on behind `after`.
pub fn write(after: &str) -> String {
    let mut bytes = Vec::with_capacity(1 + after.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Behind what a token says to go on.
pub fn read(token: &str) -> Result<String, TokenError> {
    match URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| TokenError)?
        .split_first()
    {
        Some((&VERSION, after)) => String::from_utf8(after.to_vec()).map_err(|_| TokenError),
        _ => Err(TokenError),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "x", "AA", "====", "AQ==", "Af8"] {
            assert_eq!(read(text), Err(TokenError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_token_comes_back(after in ".{0,100}") {
            let token = write(&after);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(read(&token), Ok(after));
        }

        #[test]
        fn any_text_is_read_without_a_panic(token in ".{0,40}") {
            let _ = read(&token);
        }
    }
}
