//! Condition operators by name.

use crate::error::PolicyError;

/// How values are compared: a relation, perhaps negated, perhaps for several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// What is compared.
    pub relation: Relation,
    /// Whether it holds when the relation does not.
    pub negated: bool,
    /// Whether it holds when the request has no such key (`…IfExists`).
    pub if_exists: bool,
    /// Of which of the request's values it must hold; `None`: there is one.
    pub quantifier: Option<Quantifier>,
}

/// Of which values of the request an operator must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// Of each of them (`ForAllValues:`).
    All,
    /// Of one of them (`ForAnyValue:`).
    Any,
}

/// What two values are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same text.
    Text,
    /// The same text, but for the case of its letters.
    TextInAnyCase,
    /// A text that a pattern stands for.
    Like,
    /// Numbers in this order.
    Number(Order),
    /// Times in this order.
    Time(Order),
    /// The same boolean.
    Boolean,
    /// An address in a network.
    Network,
}

/// How what a request has is ordered to what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// They are equal.
    Equal,
    /// It is less.
    Less,
    /// It is not greater.
    LessOrEqual,
    /// It is greater.
    Greater,
    /// It is not less.
    GreaterOrEqual,
}

impl Operator {
    /// Reads a name such as `ForAnyValue:StringLikeIfExists`.
    pub fn read(name: &str) -> Result<Self, PolicyError> {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
            _ => (None, name),
        };
        let (plain, if_exists) = match rest.strip_suffix("IfExists") {
            Some(plain) => (plain, true),
            None => (rest, false),
        };
        let known = relation(plain).ok_or_else(|| PolicyError::Operator(name.to_owned()))?;
        let (relation, negated) = known;
        Ok(Self {
            relation,
            negated,
            if_exists,
            quantifier,
        })
    }
}

/// The relation of an operator's name, and whether it is negated.
fn relation(name: &str) -> Option<(Relation, bool)> {
    Some(match name {
        // Binary values are compared as they are written: in base64, which is unique.
        "StringEquals" | "BinaryEquals" => (Relation::Text, false),
        "StringNotEquals" => (Relation::Text, true),
        "StringEqualsIgnoreCase" => (Relation::TextInAnyCase, false),
        "StringNotEqualsIgnoreCase" => (Relation::TextInAnyCase, true),
        "StringLike" | "ArnEquals" | "ArnLike" => (Relation::Like, false),
        "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Relation::Like, true),
        "Bool" => (Relation::Boolean, false),
        "IpAddress" => (Relation::Network, false),
        "NotIpAddress" => (Relation::Network, true),
        _ => {
            let ordered = |order: &str| {
                Some(match order {
                    "Equals" => (Order::Equal, false),
                    "NotEquals" => (Order::Equal, true),
                    "LessThan" => (Order::Less, false),
                    "LessThanEquals" => (Order::LessOrEqual, false),
                    "GreaterThan" => (Order::Greater, false),
                    "GreaterThanEquals" => (Order::GreaterOrEqual, false),
                    _ => return None,
                })
            };
            if let Some(order) = name.strip_prefix("Numeric") {
                let (order, negated) = ordered(order)?;
                return Some((Relation::Number(order), negated));
            }
            let (order, negated) = ordered(name.strip_prefix("Date")?)?;
            (Relation::Time(order), negated)
        }
    })
}
