//! A policy as a whole.

use serde::{Deserialize, Serialize};

use crate::document::{Document, MAX_LENGTH};
use crate::error::PolicyError;
use crate::principal::Requester;
use crate::question::Question;
use crate::statement::{Effect, Statement};

/// A bucket's policy. It is stored as the text that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Policy {
    text: String,
    statements: Vec<Statement>,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement denies it: whatever else allows it, it must not be.
    Denied,
    /// A statement allows it.
    Allowed,
    /// Nothing: it is as if there were no policy.
    Silent,
}

impl Decision {
    /// Whether the request may be made, if it may `otherwise` where the policy says nothing.
    pub fn or(self, otherwise: bool) -> bool {
        match self {
            Self::Denied => false,
            Self::Allowed => true,
            Self::Silent => otherwise,
        }
    }
}

impl Policy {
    /// Reads a policy.
    pub fn new(text: impl Into<String>) -> Result<Self, PolicyError> {
        let text = text.into();
        if text.len() > MAX_LENGTH {
            return Err(PolicyError::TooLong);
        }
        let document: Document =
            serde_json::from_str(&text).map_err(|error| PolicyError::Json(error.to_string()))?;
        match document.version.as_deref() {
            None | Some("2012-10-17" | "2008-10-17") => {}
            Some(other) => return Err(PolicyError::Version(other.to_owned())),
        }
        let statements = document.statement.0.into_iter().map(Statement::read);
        let statements = statements.collect::<Result<Vec<_>, _>>()?;
        if statements.is_empty() {
            return Err(PolicyError::NoStatement);
        }
        Ok(Self { text, statements })
    }

    /// The text that was set.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything in it is about this bucket.
    pub fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        self.statements
            .iter()
            .try_for_each(|statement| statement.check_bucket(bucket))
    }

    /// What it says of a request.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Question { bucket, key, .. } = *question;
        let object = key.map(|key| format!("{bucket}/{key}"));
        let path = object.as_deref().unwrap_or(bucket);
        let mut decision = Decision::Silent;
        for statement in &self.statements {
            // Most statements allow: what one more allows need not be found out.
            if statement.effect == Effect::Allow && decision == Decision::Allowed {
                continue;
            }
            if statement.applies(question, path) {
                match statement.effect {
                    Effect::Deny => return Decision::Denied,
                    Effect::Allow => decision = Decision::Allowed,
                }
            }
        }
        decision
    }

    /// Whether it denies somebody an action on any object whose key starts with a prefix, or may do so
    /// under some condition.
    pub fn may_deny_below(
        &self,
        who: Requester<'_>,
        action: &str,
        bucket: &str,
        prefix: &str,
    ) -> bool {
        let beginning = format!("{bucket}/{prefix}");
        let mut denials = self.statements.iter();
        denials.any(|it| it.effect == Effect::Deny && it.may_apply_below(who, action, &beginning))
    }

    /// Whether it allows something to everyone, wherever they come from.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }

    /// Whether what it says can depend on the tags of the object that is there.
    pub fn looks_at_tags(&self) -> bool {
        self.statements.iter().any(Statement::looks_at_tags)
    }
}

impl TryFrom<String> for Policy {
    type Error = PolicyError;

    fn try_from(text: String) -> Result<Self, PolicyError> {
        Self::new(text)
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.text
    }
}

#[cfg(test)]
mod tests;
