//! A policy's JSON, as it is written.

use serde::Deserialize;

use crate::members::Members;
use crate::one_or_many::OneOrMany;

/// Longest policy in bytes, as in S3.
pub const MAX_LENGTH: usize = 20 << 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Document {
    pub version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    pub statement: OneOrMany<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    pub effect: String,
    pub principal: Option<Principal>,
    pub not_principal: Option<Principal>,
    pub action: Option<OneOrMany<String>>,
    pub not_action: Option<OneOrMany<String>>,
    pub resource: Option<OneOrMany<String>>,
    pub not_resource: Option<OneOrMany<String>>,
    pub condition: Option<Members<Members<OneOrMany<Value>>>>,
}

/// A text such as `"*"`, or principals by type.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a principal is \"*\", or an object with one or more names by type"
)]
pub enum Principal {
    Text(String),
    Types(Members<OneOrMany<String>>),
}

/// A value of a condition; numbers and booleans need no quotes.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a value of a condition is a string, a number or a boolean"
)]
pub enum Value {
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
}

impl Value {
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
        }
    }
}
