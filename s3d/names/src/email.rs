//! Email addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address in lower case, `local@domain`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// Why a text is no email address; each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// It is not of the form `name@domain`.
    #[error("Write an email address such as ada@example.com.")]
    Form,
    /// It has a character that is not taken.
    #[error("Use an email address of plain letters, digits and the usual signs, without spaces.")]
    Character,
    /// It is longer than mail can carry.
    #[error("Use a shorter email address: at most 64 characters before the @ and 254 in all.")]
    Length,
}

impl Email {
    /// Checks an address; surrounding white space and case do not count.
    pub fn new(text: &str) -> Result<Self, EmailError> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Form)?;
        if text.len() > 254 || local.len() > 64 {
            return Err(EmailError::Length);
        }
        let sign =
            |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
        if !local.bytes().all(sign) {
            return Err(EmailError::Character);
        }
        if local.split('.').any(str::is_empty) {
            return Err(EmailError::Form);
        }
        check_domain(domain)?;
        Ok(Self(text))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The address in a key of the metadata store, where `/` would end a part.
    pub fn in_key(&self) -> String {
        self.0.replace('%', "%25").replace('/', "%2f")
    }
}

fn check_domain(domain: &str) -> Result<(), EmailError> {
    if !domain
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    {
        return Err(EmailError::Character);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if domain.contains('.') && domain.split('.').all(label) {
        Ok(())
    } else {
        Err(EmailError::Form)
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

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
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let form = [
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
        ];
        for text in form {
            assert_eq!(Email::new(text), Err(EmailError::Form), "{text}");
        }
        for text in [
            "a b@x.org",
            "a@b@x.org",
            "ädä@x.org",
            "ada@ü.org",
            "a\0@x.org",
            "a@x_y.org",
        ] {
            assert_eq!(Email::new(text), Err(EmailError::Character), "{text:?}");
        }
        let long = format!("{}@x.org", "a".repeat(65));
        assert_eq!(Email::new(&long), Err(EmailError::Length));
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
