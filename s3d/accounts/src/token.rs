//! Access tokens: JWTs signed with the node's own secret.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::secret_file::SecretKey;
use super::session_id::SessionId;
use super::user::UserId;

/// The name of the file with the key that signs tokens.
pub const FILE: &str = "token.secret";

const ISSUER: &str = "hayrack";

/// Seconds that a token is good for.
pub const LIFETIME: u64 = 12 * 3_600;

/// A signed token and how long it is good for.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// What goes behind `Authorization: Bearer`.
    pub text: String,
    /// Seconds until it expires.
    pub expires_in: u64,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessToken")
            .finish_non_exhaustive()
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its time is over.
    #[error("The access token has expired; sign in again.")]
    Expired,
    /// It is not one of ours, or was changed.
    #[error("The access token is not valid; sign in again.")]
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    jti: SessionId,
    iat: u64,
    exp: u64,
}

pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
}

impl Tokens {
    pub fn new(secret: &SecretKey) -> Self {
        Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
        }
    }

    /// A token for a user's session; `now` in seconds since 1970.
    pub fn issue(&self, user: &UserId, session: SessionId, now: u64) -> AccessToken {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.clone(),
            jti: session,
            iat: now,
            exp: now + LIFETIME,
        };
        let text = encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .expect("plain claims are signed with a secret");
        AccessToken {
            text,
            expires_in: LIFETIME,
        }
    }

    /// The user and the session that a token names.
    pub fn check(&self, token: &str) -> Result<(UserId, SessionId), TokenError> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["iss", "sub", "exp"]);
        rules.leeway = 0;
        match decode::<Claims>(token, &self.check, &rules) {
            Ok(token) => Ok((token.claims.sub, token.claims.jti)),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                Err(TokenError::Expired)
            }
            Err(_) => Err(TokenError::Invalid),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let tokens = Tokens::new(&[1; 32]);
        let (user, session) = (UserId::random(), SessionId::random());
        let now = clock::seconds();
        assert_eq!(
            tokens.check(&tokens.issue(&user, session.clone(), now).text),
            Ok((user.clone(), session.clone()))
        );
        let old = tokens.issue(&user, session.clone(), now - LIFETIME - 1);
        assert_eq!(tokens.check(&old.text), Err(TokenError::Expired));
        let foreign = Tokens::new(&[2; 32]).issue(&user, session, now);
        assert_eq!(tokens.check(&foreign.text), Err(TokenError::Invalid));
    }

    #[test]
    fn other_algorithms_and_issuers_are_refused() {
        let tokens = Tokens::new(&[1; 32]);
        let claims = |issuer: &str| Claims {
            iss: issuer.into(),
            sub: UserId::random(),
            jti: SessionId::random(),
            iat: 0,
            exp: clock::seconds() + 60,
        };
        let signed = |algorithm, issuer| {
            encode(&Header::new(algorithm), &claims(issuer), &tokens.sign).unwrap()
        };
        assert!(tokens.check(&signed(Algorithm::HS256, ISSUER)).is_ok());
        assert_eq!(
            tokens.check(&signed(Algorithm::HS512, ISSUER)),
            Err(TokenError::Invalid)
        );
        assert_eq!(
            tokens.check(&signed(Algorithm::HS256, "other")),
            Err(TokenError::Invalid)
        );
        let whole = signed(Algorithm::HS256, ISSUER);
        let claims = whole.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        assert_eq!(tokens.check(&unsigned), Err(TokenError::Invalid));
    }

    proptest! {
        #[test]
        fn garbage_is_refused(garbage in "\\PC{0,60}|[a-zA-Z0-9_-]{0,20}\\.[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,40}") {
            prop_assert_eq!(Tokens::new(&[1; 32]).check(&garbage), Err(TokenError::Invalid));
        }
    }
}
