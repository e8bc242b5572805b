//! The fields of a request, from its JSON body or its query: all that are wrong are named at once.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::error::ApiError;

/// The longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What a request consists of: read from its fields, and documented by the same struct.
pub trait Input: Sized {
    /// Reads the fields. `None` only if one of them was wrong.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// Fields that were not read yet, and what is wrong with those that were.
#[derive(Debug, Default)]
pub struct Fields {
    values: Map<String, Value>,
    errors: BTreeMap<String, String>,
}

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                errors: BTreeMap::new(),
            }),
            Ok(_) => Err(ApiError::not_an_object()),
            Err(error) => Err(ApiError::invalid_json(error)),
        }
    }

    /// A field that must be there.
    pub fn required<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<T> {
        if self.values.get(name).is_none_or(Value::is_null) {
            self.values.remove(name);
            self.wrong(name, "This field is missing.");
            return None;
        }
        self.optional(name, parse)
    }

    /// A field that may be missing or null.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<T> {
        match self.values.remove(name)? {
            Value::Null => None,
            Value::String(text) => parse(text).map_err(|error| self.wrong(name, error)).ok(),
            _ => {
                self.wrong(name, "This field must be a text in quotes.");
                None
            }
        }
    }

    /// A number from 0 on, that may be missing or null.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        let number = match self.values.remove(name)? {
            Value::Null => return None,
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(name, "This field must be a whole number, 0 or more.");
        }
        number
    }

    /// The field `limit`: how many entries a page has at most, from 1 to `most`; it may be missing.
    pub fn limit(&mut self, most: u64) -> Option<u64> {
        let limit = self.number("limit")?;
        if !(1..=most).contains(&limit) {
            self.wrong("limit", format!("Ask for 1 to {most}."));
        }
        Some(limit)
    }

    /// Whether a field is there, null or not.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// `true` or `false`; missing is `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.values.remove(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
            Some(_) => {
                self.wrong(name, "Say true or false.");
                false
            }
        }
    }

    /// A field that may be any JSON.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Says what is wrong with a field.
    pub fn wrong(&mut self, name: &str, sentence: impl Display) {
        self.errors.insert(name.to_owned(), sentence.to_string());
    }

    /// Reads all fields; refuses if anything was wrong, or any field is there that nobody reads.
    fn read<T: Input>(mut self) -> Result<T, ApiError> {
        let input = T::read(&mut self);
        for name in self.values.keys() {
            // What is echoed is bounded and printable.
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            self.errors
                .insert(name, "There is no such field; leave it out.".to_owned());
        }
        input
            .filter(|_| self.errors.is_empty())
            .ok_or_else(|| ApiError::invalid_fields(self.errors))
    }
}

/// The JSON body of a request.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: Input, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let body = to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|error| {
                use std::error::Error as _;
                let too_long = error
                    .source()
                    .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
                if too_long {
                    ApiError::body_too_large(MAX_BODY)
                } else {
                    ApiError::broken_body()
                }
            })?;
        Ok(Self(Fields::parse(&body)?.read()?))
    }
}

/// The parameters behind the `?`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: Input, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let values =
            pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        let fields = Fields {
            values: values.collect(),
            errors: BTreeMap::new(),
        };
        Ok(Self(fields.read()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        size: Option<u64>,
        force: bool,
    }

    impl Input for Sample {
        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name", Ok::<_, String>);
            let size = fields.number("size");
            let force = fields.flag("force");
            Some(Self {
                name: name?,
                size,
                force,
            })
        }
    }

    fn read(body: &str) -> Option<Sample> {
        Fields::parse(body.as_bytes()).ok()?.read().ok()
    }

    #[test]
    fn a_number_is_whole_and_may_be_missing() {
        let size = |body: &str| read(body).map(|sample| sample.size);
        assert_eq!(size(r#"{"name": "a"}"#), Some(None));
        assert_eq!(size(r#"{"name": "a", "size": null}"#), Some(None));
        assert_eq!(size(r#"{"name": "a", "size": 7}"#), Some(Some(7)));
        for wrong in ["-1", "1.5", "[]", "true", "\"x\""] {
            assert_eq!(size(&format!(r#"{{"name": "a", "size": {wrong}}}"#)), None);
        }
    }

    #[test]
    fn a_flag_is_true_or_false() {
        let force = |body: &str| read(body).map(|sample| sample.force);
        assert_eq!(force(r#"{"name": "a"}"#), Some(false));
        assert_eq!(force(r#"{"name": "a", "force": "true"}"#), Some(true));
        assert_eq!(force(r#"{"name": "a", "force": 1}"#), None);
    }

    proptest! {
        #[test]
        fn any_body_is_taken_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::parse(&body).map(Fields::read::<Sample>);
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(Fields::parse("[".repeat(10_000).as_bytes()).is_err());
    }
}
