//! Email addresses.

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use super::label::checked_text;

/// An address in lower case, `local@domain`, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// A text is no email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Write an email address such as ada@example.com, of at most 254 plain characters.")]
pub struct EmailError;

impl Email {
    /// Checks an address; surrounding white space and case do not count.
    pub fn new(text: impl AsRef<str>) -> Result<Self, EmailError> {
        let text = text.as_ref().trim().to_ascii_lowercase();
        let options = Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        let address = EmailAddress::parse_with_options(&text, options).map_err(|_| EmailError)?;
        // RFC 5321 allows more: quoted names, and with RFC 6531 other alphabets.
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        if text.len() > 254 || !text.bytes().all(plain) || address.as_str() != text {
            return Err(EmailError);
        }
        Ok(Self(text))
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The address in a key of the metadata store, where `/` would end a part.
    pub fn in_key(&self) -> String {
        in_key(&self.0)
    }

    /// What [`Self::in_key`] of each address starts with that starts with a text.
    pub fn start_in_key(text: &str) -> String {
        in_key(&text.trim().to_ascii_lowercase())
    }
}

fn in_key(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2f")
}

checked_text!(Email, EmailError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_space_do_not_count() {
        assert_eq!(
            Email::new(" Ada@Example.COM\n").unwrap().as_str(),
            "ada@example.com"
        );
        assert_eq!(Email::new("a+b/c@x.org").unwrap().in_key(), "a+b%2fc@x.org");
        assert_eq!(Email::start_in_key(" A+b/"), "a+b%2f");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@x.org", "a".repeat(65));
        for text in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "ada@localhost",
            "a..b@x.org",
            "ada@.org",
            "ada@x-.org",
            "ada@x..org",
            "a b@x.org",
            "a@b@x.org",
            "\"a b\"@x.org",
            "Ada <ada@x.org>",
            "ada@[127.0.0.1]",
            "ädä@x.org",
            "ada@ü.org",
            "a\0@x.org",
            &long,
        ] {
            assert_eq!(Email::new(text), Err(EmailError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normal_form_is_stable(text in "\\PC{0,80}|[a-zA-Z.]{1,9}@[a-zA-Z.-]{1,12}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert_eq!(Email::new(email.as_str()), Ok(email.clone()));
                prop_assert!(!email.in_key().contains('/'));
            }
        }
    }
}
