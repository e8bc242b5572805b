//! Conditions: an operator, a key of the request, and the values that it is compared with.
//!
//! The operators are those of "IAM JSON policy elements: Condition operators" in the AWS Identity
//! and Access Management User Guide.

mod comparison;
mod network;
mod operator;

use comparison::Comparison;
use operator::{Operator, Quantifier};

use crate::document::Value;
use crate::error::PolicyError;
use crate::facts::{Facts, keys};
use crate::members::Members;
use crate::one_or_many::OneOrMany;

/// One key of one operator; all conditions of a statement must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Folded.
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// Whether the key is not in the request.
    Absent(bool),
    Compared(Operator, Vec<Comparison>),
}

impl Condition {
    /// Reads the `Condition` of a statement.
    pub fn read(
        written: Option<Members<Members<OneOrMany<Value>>>>,
    ) -> Result<Vec<Self>, PolicyError> {
        let mut conditions = Vec::new();
        for (operator, members) in written.map(|it| it.0).unwrap_or_default() {
            for (key, values) in members.0 {
                let folded = keys::folded(&key);
                if !keys::is_known(&folded) {
                    return Err(PolicyError::ConditionKey(key));
                }
                let values = values.0.into_iter().map(Value::into_text);
                let test = Test::read(&operator, &values.collect::<Vec<_>>())?;
                conditions.push(Self { key: folded, test });
            }
        }
        Ok(conditions)
    }

    /// Whether it holds for a request.
    pub fn holds(&self, facts: &Facts) -> bool {
        let found = facts.of(&self.key);
        match &self.test {
            Test::Absent(absent) => found.is_empty() == *absent,
            Test::Compared(operator, wanted) => operator.holds(found, wanted),
        }
    }

    /// Whether it is on the tags of the object that is there.
    pub fn is_on_tags(&self) -> bool {
        self.key.starts_with(keys::EXISTING_TAG)
    }

    /// Whether it holds only for requests of some namespaces, or from networks that are not very
    /// wide.
    pub fn restricts_to_a_few(&self) -> bool {
        let Test::Compared(operator, wanted) = &self.test else {
            return false;
        };
        let few = match self.key.as_str() {
            "aws:sourceip" => Comparison::is_narrow_network,
            "aws:principalaccount" | "aws:userid" => Comparison::is_one_text,
            _ => return false,
        };
        operator.must_match() && !wanted.is_empty() && wanted.iter().all(few)
    }
}

impl Test {
    fn read(operator: &str, values: &[String]) -> Result<Self, PolicyError> {
        if operator == "Null" {
            return match values {
                [value] if value.eq_ignore_ascii_case("true") => Ok(Self::Absent(true)),
                [value] if value.eq_ignore_ascii_case("false") => Ok(Self::Absent(false)),
                _ => Err(PolicyError::Value {
                    operator: operator.to_owned(),
                    value: values.join(", "),
                }),
            };
        }
        let parsed = Operator::read(operator)?;
        let wanted = values.iter().map(|value| {
            let comparison = Comparison::read(parsed.relation, value)?;
            comparison.ok_or_else(|| PolicyError::Value {
                operator: operator.to_owned(),
                value: value.clone(),
            })
        });
        Ok(Self::Compared(parsed, wanted.collect::<Result<_, _>>()?))
    }
}

impl Operator {
    /// Whether the values that a request has are as wanted.
    fn holds(self, found: &[String], wanted: &[Comparison]) -> bool {
        if found.is_empty() {
            return self.if_exists
                || match self.quantifier {
                    None => self.negated,
                    Some(Quantifier::All) => true,
                    Some(Quantifier::Any) => false,
                };
        }
        let matches = |fact: &String| wanted.iter().any(|it| it.matches(fact));
        match (self.quantifier, self.negated) {
            (None | Some(Quantifier::Any), false) => found.iter().any(matches),
            (Some(Quantifier::All), false) => found.iter().all(matches),
            (None | Some(Quantifier::All), true) => !found.iter().any(matches),
            (Some(Quantifier::Any), true) => !found.iter().all(matches),
        }
    }

    /// Whether it holds only if the request has the key, with a value that matches.
    fn must_match(self) -> bool {
        !self.negated && !self.if_exists && self.quantifier != Some(Quantifier::All)
    }
}
