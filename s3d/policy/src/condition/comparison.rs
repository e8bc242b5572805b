//! What a value of a condition is compared as.

use std::cmp::Ordering;
use std::net::IpAddr;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::network::Network;
use super::operator::{Order, Relation};
use crate::error::PolicyError;
use crate::pattern::Pattern;

/// A day alone is a time too.
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// A value that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The same text; a literal pattern.
    Text(Pattern),
    /// In lower case.
    TextInAnyCase(Pattern),
    Like(Pattern),
    Number(Order, Number),
    /// Since 1970, in nanoseconds.
    Time(Order, i128),
    Boolean(bool),
    Network(Network),
}

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(f64);

// No number here is NaN.
impl Eq for Number {}

impl Comparison {
    /// Reads a value; `None` if it is none of its kind.
    pub fn read(relation: Relation, value: &str) -> Result<Option<Self>, PolicyError> {
        Ok(match relation {
            Relation::Text => Some(Self::Text(Pattern::literal(value)?)),
            Relation::TextInAnyCase => Some(Self::TextInAnyCase(Pattern::literal(
                &value.to_lowercase(),
            )?)),
            Relation::Like => Some(Self::Like(Pattern::new(value)?)),
            Relation::Number(order) => number(value).map(|it| Self::Number(order, it)),
            Relation::Time(order) => time(value).map(|it| Self::Time(order, it)),
            Relation::Boolean => boolean(value).map(Self::Boolean),
            Relation::Network => Network::read(value).map(Self::Network),
        })
    }

    /// Whether a value of the request is as wanted; one of another kind is not.
    pub fn matches(&self, fact: &str) -> bool {
        match self {
            Self::Text(wanted) | Self::Like(wanted) => wanted.matches(fact),
            Self::TextInAnyCase(wanted) => wanted.matches(&fact.to_lowercase()),
            Self::Number(order, wanted) => number(fact)
                .and_then(|found| found.0.partial_cmp(&wanted.0))
                .is_some_and(|found| order.includes(found)),
            Self::Time(order, wanted) => {
                time(fact).is_some_and(|found| order.includes(found.cmp(wanted)))
            }
            Self::Boolean(wanted) => boolean(fact) == Some(*wanted),
            Self::Network(network) => fact
                .parse::<IpAddr>()
                .is_ok_and(|address| network.includes(address)),
        }
    }

    /// Whether it is a network that is not very wide.
    pub fn is_narrow_network(&self) -> bool {
        matches!(self, Self::Network(network) if network.is_narrow())
    }

    /// Whether it is a text without wildcards.
    pub fn is_one_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::TextInAnyCase(_) => true,
            Self::Like(pattern) => !pattern.is_open(),
            _ => false,
        }
    }
}

impl Order {
    fn includes(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

fn number(text: &str) -> Option<Number> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Number(number))
}

fn boolean(text: &str) -> Option<bool> {
    let is = |wanted: &str| text.eq_ignore_ascii_case(wanted);
    is("true").then_some(true).or(is("false").then_some(false))
}

/// A time in ISO 8601 (`2026-01-31T12:00:00Z`, `2026-01-31`) or in seconds since 1970.
fn time(text: &str) -> Option<i128> {
    let rfc3339 = || OffsetDateTime::parse(text, &Rfc3339).ok();
    let day = || Some(time::Date::parse(text, DAY).ok()?.midnight().assume_utc());
    let epoch = || OffsetDateTime::from_unix_timestamp(text.parse().ok()?).ok();
    let time = rfc3339().or_else(day).or_else(epoch)?;
    Some(time.unix_timestamp_nanos())
}
