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

    /// A field that must be there. `None` means that [`Fields::finish`] will refuse.
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

    /// A field that may be any JSON.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Says what is wrong with a field.
    pub fn wrong(&mut self, name: &str, sentence: impl Display) {
        self.errors.insert(name.to_owned(), sentence.to_string());
    }

    /// Refuses if anything was wrong, or any field is there that nobody asked for.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.values.keys() {
            // What is echoed is bounded and printable.
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            self.errors
                .insert(name, "There is no such field; leave it out.".to_owned());
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid_fields(self.errors))
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
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
        Self::parse(&body)
    }
}

/// The parameters behind the `?`, as fields.
#[derive(Debug)]
pub struct Query(pub Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let values =
            pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        Ok(Self(Fields {
            values: values.collect(),
            errors: BTreeMap::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_body_is_taken_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut fields) = Fields::parse(&body) {
                fields.required("name", Ok::<_, String>);
                let _ = fields.finish();
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(Fields::parse("[".repeat(10_000).as_bytes()).is_err());
    }
}
