//! What is stored with an object's bytes.

use std::collections::BTreeMap;

use http::HeaderMap;

/// The prefix of user metadata.
const USER: &str = "x-amz-meta-";

/// Standard headers that are an object's own.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Headers that are stored with an object and come back with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Standard headers such as `content-type`, names in lower case.
    pub standard: Vec<(String, String)>,
    /// User metadata, names without `x-amz-meta-`, in lower case.
    pub user: Vec<(String, String)>,
}

impl Headers {
    /// Those of an answer. Values that are no text are left out: nothing that this mount stored.
    pub(crate) fn of_answer(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if let Ok(value) = value.to_str() {
                found.add(name.as_str().to_owned(), value.to_owned());
            }
        }
        found
    }

    /// Those of an object as a listing names them, in any case.
    pub(crate) fn of_listing(headers: BTreeMap<String, String>) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            found.add(name.to_ascii_lowercase(), value);
        }
        found
    }

    /// Takes a header, its name in lower case, if it is one of those that are stored.
    pub(crate) fn add(&mut self, mut name: String, value: String) {
        if name.starts_with(USER) {
            name.drain(..USER.len());
            self.user.push((name, value));
        } else if KEPT.contains(&name.as_str()) {
            self.standard.push((name, value));
        }
    }

    /// As the headers of a request, names and values.
    pub fn lines(&self) -> Vec<(String, String)> {
        let standard = self.standard.iter().cloned();
        let user = self.user.iter();
        let user = user.map(|(name, value)| (format!("{USER}{name}"), value.clone()));
        standard.chain(user).collect()
    }

    /// Undoes [`Headers::lines`].
    pub fn of_lines(lines: &[(String, String)]) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines {
            match name.strip_prefix(USER) {
                Some(name) => headers.user.push((name.to_owned(), value.clone())),
                None => headers.standard.push((name.clone(), value.clone())),
            }
        }
        headers
    }

    /// The user metadata of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.user.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets, or with `None` removes, user metadata.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        self.user.retain(|(it, _)| it != name);
        if let Some(value) = value {
            self.user.push((name.to_owned(), value));
        }
    }
}
